#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "harness/net/kv_events_zmq.hpp"
#include "harness/net/kv_events_zmq_parts.hpp"

namespace kvtier {
using namespace kv_zmq;
namespace {

/// A replay that has not ended by then is asked for again: its publisher may have come up later.
constexpr std::chrono::milliseconds kReplayLimit{1000};
/// Somebody waits for a batch that the publisher has numbered and not sent yet.
constexpr std::chrono::milliseconds kAskAgain{2};

}  // namespace

class KvEventSubscriber::Impl {
 public:
  Impl(const std::string& endpoint, const std::string& replay_endpoint, Callbacks callbacks)
      : callbacks_(std::move(callbacks)),
        sub_(context_, zmq::socket_type::sub),
        replay_endpoint_(replay_endpoint) {
    sub_.set(zmq::sockopt::rcvhwm, kHighWater);
    sub_.set(zmq::sockopt::linger, 0);
    sub_.set(zmq::sockopt::subscribe, "");
    Connect(sub_, endpoint);
    if (!replay_endpoint.empty()) AskReplay();
    thread_ = std::thread([this] { Loop(); });
  }
  ~Impl() {
    stopping_ = true;
    bell_.Ring();
    thread_.join();
  }

  bool CatchUp(std::uint64_t sequence, std::chrono::milliseconds limit) {
    std::unique_lock lock(mutex_);
    wanted_ = std::max(wanted_, sequence);
    bell_.Ring();
    const bool reached = advanced_.wait_for(lock, limit, [&] { return next_ >= sequence; });
    if (!reached) wanted_ = next_;  // nobody waits for it any more
    return reached;
  }
  std::uint64_t next_sequence() const {
    const std::scoped_lock lock(mutex_);
    return next_;
  }

 private:
  using Clock = std::chrono::steady_clock;

  static void Connect(zmq::socket_t& socket, const std::string& endpoint) {
    try {
      socket.connect(endpoint);
    } catch (const zmq::error_t& e) {
      throw IoError(fmt::format("cannot connect to KV events at {}: {}", endpoint, e.what()));
    }
  }

  /// A socket of its own for each question: what still comes for an older one goes with it.
  void AskReplay() {
    replay_.emplace(context_, zmq::socket_type::dealer);
    replay_->set(zmq::sockopt::linger, 0);
    replay_->set(zmq::sockopt::rcvhwm, 0);
    Connect(*replay_, replay_endpoint_);
    Send(*replay_, {"", EncodeKvSequence(next_)});
    held_when_asked_ = held_.empty() ? std::nullopt : std::optional(held_.front().first);
    replay_until_ = Clock::now() + kReplayLimit;
  }

  void Loop() {
    while (!stopping_) {
      std::vector<zmq::pollitem_t> items{{nullptr, bell_.fd(), ZMQ_POLLIN, 0},
                                         {sub_.handle(), 0, ZMQ_POLLIN, 0}};
      if (replay_) items.push_back({replay_->handle(), 0, ZMQ_POLLIN, 0});
      Poll(items, replay_ ? kReplayLimit : Behind() ? kAskAgain : std::chrono::milliseconds(-1));
      bell_.Hush();
      for (auto frames = Receive(sub_); !frames.empty(); frames = Receive(sub_)) Live(frames);
      while (replay_) {
        const auto frames = Receive(*replay_);
        if (frames.empty()) break;
        Replayed(frames);
      }
      if (replay_ && Clock::now() > replay_until_) AskReplay();
      if (!replay_ && Behind()) Gap();
    }
  }

  bool Behind() const {
    const std::scoped_lock lock(mutex_);
    return next_ < wanted_ || (!held_.empty() && held_.front().first > next_);
  }

  /// Something before what we hold, or want, is missing.
  void Gap() {
    if (callbacks_.on_gap && !held_.empty()) callbacks_.on_gap(next_);
    if (!replay_endpoint_.empty()) {
      AskReplay();
    } else {
      GiveUp("there is no replay socket");
    }
  }

  void Live(const std::vector<std::string>& frames) {
    if (frames.size() != 3 || frames[1].size() != 8) return;  // not of this stream
    const std::uint64_t sequence = DecodeKvSequence(frames[1]);
    // While older ones are asked for, newer ones wait.
    if (sequence >= next_) held_.emplace_back(sequence, frames[2]);
    if (!replay_) TellHeld();
  }

  /// The asker's frames: empty, [topic,] sequence, payload. vLLM sends no topic.
  void Replayed(const std::vector<std::string>& frames) {
    if (frames.size() < 3 || frames.size() > 4 || frames[frames.size() - 2].size() != 8) return;
    const std::uint64_t sequence = DecodeKvSequence(frames[frames.size() - 2]);
    const std::string& payload = frames.back();
    replay_until_ = Clock::now() + kReplayLimit;
    if (!payload.empty()) {
      TellHeld();
      if (sequence > next_) Lost(sequence - 1, "the replay socket does not keep it any more");
      if (sequence == next_) Tell(sequence, payload);
      return;
    }
    replay_.reset();
    TellHeld();
    if (held_.empty()) return;
    // Only what was missing when we asked is gone. A gap that opened since may be newer than the
    // answer: our subscription takes effect at some moment of its own.
    if (held_.front().first == held_when_asked_) {
      GiveUp("the replay socket does not keep it any more");
    } else {
      Gap();
    }
  }

  void TellHeld() {
    while (!held_.empty() && held_.front().first <= next_) {
      const auto [sequence, payload] = std::move(held_.front());
      held_.pop_front();
      if (sequence == next_) Tell(sequence, payload);
    }
  }

  /// What is missing before the oldest held batch is lost.
  void GiveUp(const std::string& why) {
    if (held_.empty()) {
      // Nothing newer was seen: somebody waits for a batch that nobody has sent yet.
      const std::scoped_lock lock(mutex_);
      wanted_ = next_;
      return;
    }
    Lost(held_.front().first - 1, why);
    TellHeld();
  }

  void Lost(std::uint64_t last, const std::string& why) {
    callbacks_.on_lost(next_, last, why);
    Advance(last + 1);
  }

  void Tell(std::uint64_t sequence, const std::string& payload) {
    try {
      callbacks_.on_batch(sequence, DecodeKvEventBatch(payload));
    } catch (const ProtocolError& e) {
      callbacks_.on_lost(sequence, sequence, e.what());
    }
    Advance(sequence + 1);
  }

  void Advance(std::uint64_t next) {
    {
      const std::scoped_lock lock(mutex_);
      next_ = next;
    }
    advanced_.notify_all();
  }

  const Callbacks callbacks_;
  zmq::context_t context_;
  zmq::socket_t sub_;
  const std::string replay_endpoint_;
  std::optional<zmq::socket_t> replay_;  // a question that is not answered to its end
  Clock::time_point replay_until_{};
  std::optional<std::uint64_t> held_when_asked_;  // the oldest
  Bell bell_;
  mutable std::mutex mutex_;
  std::condition_variable advanced_;
  std::atomic<std::uint64_t> next_{0};  // written by the thread, with the mutex
  std::uint64_t wanted_ = 0;
  std::deque<std::pair<std::uint64_t, std::string>> held_;  // of the thread, ascending
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

KvEventSubscriber::KvEventSubscriber(const std::string& endpoint,
                                     const std::string& replay_endpoint, Callbacks callbacks)
    : impl_(std::make_unique<Impl>(endpoint, replay_endpoint, std::move(callbacks))) {}
KvEventSubscriber::~KvEventSubscriber() = default;
bool KvEventSubscriber::CatchUp(std::uint64_t sequence, std::chrono::milliseconds limit) {
  return impl_->CatchUp(sequence, limit);
}
std::uint64_t KvEventSubscriber::next_sequence() const {
  return impl_->next_sequence();
}

}  // namespace kvtier
