#include <array>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "harness/net/kv_events_zmq.hpp"
#include "harness/net/kv_events_zmq_parts.hpp"

namespace kvtier {
using namespace kv_zmq;
namespace {

std::string Bind(zmq::socket_t& socket, const std::string& host, std::uint16_t port,
                 const char* what) {
  const std::string asked =
      fmt::format("tcp://{}:{}", host, port == 0 ? std::string("*") : std::to_string(port));
  try {
    socket.set(zmq::sockopt::linger, 0);
    socket.bind(asked);
  } catch (const zmq::error_t& e) {
    throw IoError(
        fmt::format("cannot bind the {} socket of KV events to {}: {}", what, asked, e.what()));
  }
  return socket.get(zmq::sockopt::last_endpoint);
}

}  // namespace

class KvEventPublisher::Impl {
 public:
  explicit Impl(const Options& options)
      : options_(options),
        pub_(context_, zmq::socket_type::pub),
        replay_(context_, zmq::socket_type::router) {
    pub_.set(zmq::sockopt::sndhwm, kHighWater);
    replay_.set(zmq::sockopt::sndhwm, 0);  // a replay is bounded by what is kept
    endpoint_ = Bind(pub_, options.host, options.port, "PUB");
    replay_endpoint_ = Bind(replay_, options.host, options.replay_port, "replay");
    thread_ = std::thread([this] { Loop(); });
  }
  ~Impl() {
    {
      const std::scoped_lock lock(mutex_);
      stopping_ = true;
    }
    bell_.Ring();
    thread_.join();
  }

  std::uint64_t Publish(const KvEventBatch& batch) {
    std::string payload = EncodeKvEventBatch(batch);
    std::uint64_t sequence = 0;
    {
      const std::scoped_lock lock(mutex_);
      sequence = next_++;
      queue_.push_back({sequence, std::move(payload)});
    }
    bell_.Ring();
    return sequence;
  }
  std::uint64_t next_sequence() const {
    const std::scoped_lock lock(mutex_);
    return next_;
  }
  const std::string& endpoint() const { return endpoint_; }
  const std::string& replay_endpoint() const { return replay_endpoint_; }

 private:
  struct Wire {
    std::uint64_t sequence = 0;
    std::string payload;
  };

  void Loop() {
    for (;;) {
      std::array<zmq::pollitem_t, 2> items{
          {{nullptr, bell_.fd(), ZMQ_POLLIN, 0}, {replay_.handle(), 0, ZMQ_POLLIN, 0}}};
      Poll(items, std::chrono::milliseconds(-1));
      bell_.Hush();
      if (!SendQueued()) return;
      for (;;) {
        const auto request = Receive(replay_);
        if (request.empty()) break;
        // What was numbered before the question came is part of its answer.
        if (!SendQueued()) return;
        Answer(request);
      }
    }
  }

  /// False when it is time to stop.
  bool SendQueued() {
    std::deque<Wire> queue;
    bool stopping = false;
    {
      const std::scoped_lock lock(mutex_);
      queue.swap(queue_);
      stopping = stopping_;
    }
    for (Wire& wire : queue) {
      Send(pub_, {options_.topic, EncodeKvSequence(wire.sequence), wire.payload});
      kept_.push_back(std::move(wire));
      if (kept_.size() > options_.kept_batches) kept_.pop_front();
    }
    return !stopping;
  }

  /// Frames of a request: the asker, empty, first sequence. Anything else is nobody we know.
  void Answer(const std::vector<std::string>& request) {
    if (request.size() != 3 || request[2].size() != 8) return;
    const std::string& asker = request[0];
    const std::uint64_t first = DecodeKvSequence(request[2]);
    for (const Wire& wire : kept_) {
      if (wire.sequence < first) continue;
      Send(replay_, {asker, "", options_.topic, EncodeKvSequence(wire.sequence), wire.payload});
    }
    Send(replay_, {asker, "", options_.topic, EncodeKvSequence(kEndOfReplay), ""});
  }

  const Options options_;
  zmq::context_t context_;
  zmq::socket_t pub_, replay_;
  std::string endpoint_, replay_endpoint_;
  Bell bell_;
  mutable std::mutex mutex_;
  std::uint64_t next_ = 0;
  std::deque<Wire> queue_;
  bool stopping_ = false;
  std::deque<Wire> kept_;  // of the thread
  std::thread thread_;
};

KvEventPublisher::KvEventPublisher(const Options& options)
    : impl_(std::make_unique<Impl>(options)) {}
KvEventPublisher::~KvEventPublisher() = default;
std::uint64_t KvEventPublisher::Publish(const KvEventBatch& batch) {
  return impl_->Publish(batch);
}
std::uint64_t KvEventPublisher::next_sequence() const {
  return impl_->next_sequence();
}
std::string KvEventPublisher::endpoint() const {
  return impl_->endpoint();
}
std::string KvEventPublisher::replay_endpoint() const {
  return impl_->replay_endpoint();
}

}  // namespace kvtier
