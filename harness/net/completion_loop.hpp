#pragma once
#include <errno.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <limits>
#include <mutex>
#include <optional>
#include <queue>
#include <span>
#include <stop_token>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <netinet/in.h>

#include "harness/core/clock.hpp"
#include "harness/core/error.hpp"
#include "harness/net/completion_client.hpp"
#include "harness/net/response_reader.hpp"

// The reading loop stands directly on epoll. Asio would do in functions and portability, but a
// wake-up through its reactor, its handler queue and its per-descriptor lock cost about 1 us of the
// 6-7 us that an event arriving alone costs anyway (epoll_wait and recv), and those microseconds
// are what this client promises. Level-triggered: one recv a wake-up, no second one just to see
// EAGAIN.

namespace kvtier {

/// What a CompletionClient is inside. Run stands in completion_client.cpp, the reading thread in
/// completion_loop.cpp, what is due when in completion_due.cpp, connections in
/// completion_connections.cpp.
class CompletionClient::Loop {
 public:
  explicit Loop(const Options& options);

  ClientSelf Run(std::span<const WireRequest> requests,
                 const std::function<void(FinishedExchange&&)>& on_finished, std::stop_token stop,
                 const std::function<void()>& on_idle);

  std::atomic<std::size_t> issued{0};
  std::atomic<int> in_flight{0};
  std::atomic<int> open{0};

 private:
  static constexpr MonoNs kNever = std::numeric_limits<MonoNs>::max();
  static constexpr MonoNs kTickNs = 10'000'000;
  static constexpr int kMaxConnecting =
      128;  // at once while opening: well under any listen backlog
  static constexpr std::size_t kReadBytes = 64 << 10;
  /// epoll user data of what is not a connection; connections carry generation and slot.
  static constexpr std::uint64_t kTickId = ~0ull, kSendId = ~1ull, kStopId = ~2ull;

  class Descriptor {
   public:
    Descriptor() = default;
    Descriptor(int fd, const char* what) : fd_(fd) {
      if (fd < 0) throw IoError::FromErrno("create", what, errno);
    }
    ~Descriptor() { Close(); }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Descriptor& operator=(Descriptor&& other) noexcept {
      Close();
      fd_ = std::exchange(other.fd_, -1);
      return *this;
    }
    int get() const { return fd_; }
    void Close() {
      if (fd_ >= 0) ::close(std::exchange(fd_, -1));
    }

   private:
    int fd_ = -1;
  };

  struct Due {
    std::size_t index = 0;
    MonoNs at = 0;
  };
  /// Requests that follow another: who follows whom, and who waits for a slot or for a moment.
  class Followers {
   public:
    /// Throws ConfigError naming a request that does not follow an earlier one.
    void Reset(std::span<const WireRequest> requests);
    /// `index` was over at `at`: its followers now have their moment.
    void Release(std::size_t index, MonoNs at, MonoNs start);
    /// The first by position whose moment has come; the moment of the next, kNever: none waits.
    const Due* First(MonoNs now);
    void Pop();
    MonoNs NextMoment() const;
    bool empty() const { return due_.empty() && later_.empty(); }

   private:
    struct LaterPosition {
      bool operator()(const Due& a, const Due& b) const { return a.index > b.index; }
    };
    struct LaterMoment {
      bool operator()(const Due& a, const Due& b) const {
        return a.at != b.at ? a.at > b.at : a.index > b.index;
      }
    };
    static constexpr std::uint32_t kNobody = std::numeric_limits<std::uint32_t>::max();
    std::span<const WireRequest> requests_;
    std::vector<std::uint32_t> first_, next_;  // lists of followers; empty when nobody follows
    std::priority_queue<Due, std::vector<Due>, LaterPosition> due_;
    std::priority_queue<Due, std::vector<Due>, LaterMoment> later_;
  };

  struct Slot {
    enum class State { kClosed, kConnecting, kOpen };
    Descriptor fd;
    State state = State::kClosed;
    std::uint32_t generation = 0;  // of the connection: an event of the one before is stale
    bool watches_write = false;
    MonoNs connect_started = 0;
    // The request in flight, if any.
    const WireRequest* request = nullptr;
    std::size_t index = 0, order = 0;
    std::size_t sent = 0;
    MonoNs eligible = 0;  // due, and this slot free
    MonoNs free_since = 0;
    MonoNs last_data = kNever;  // of the body; kNever before it begins
    RawExchange raw;
    ResponseReader reader;

    bool Sent() const { return request == nullptr || sent == request->bytes.size(); }
  };

  static MonoNs ToNs(std::chrono::milliseconds d) { return std::chrono::nanoseconds(d).count(); }
  static std::string ErrnoText(int error) { return std::generic_category().message(error); }
  /// Drains the counter of a timerfd or eventfd.
  static std::uint64_t ReadCounter(int fd);

  // The reading thread.
  void ReadUntilDone();
  void Turn();
  void OnConnectionEvent(std::size_t slot_index, std::uint32_t events);
  void OnTick();
  void OnStop();
  void IssueDue();
  /// The first request that is due, and since when (0: from the start); empty: none is now, and the
  /// timer wakes for the next that will be.
  std::optional<Due> TakeDue();
  void Assign(std::size_t slot_index, const Due& due);
  void StartSend(Slot& slot);
  void ContinueSend(Slot& slot);
  void ReadSome(Slot& slot);
  void OnEndOfFile(Slot& slot, MonoNs at, int error);
  void Finish(Slot& slot, TransportEnd end, std::string error, MonoNs at);
  void ExpireDeadlines(MonoNs now);
  // Connections.
  void OpenAll();
  bool StartConnect(Slot& slot);  // false: failed at once, connect_error_ says why
  void OnConnected(Slot& slot);
  void Disconnect(Slot& slot);
  void Watch(Slot& slot, int operation, std::uint32_t events);
  MonoNs DeadlineOf(const Slot& slot) const;
  void ArmSendTimer(MonoNs at);
  bool AllIssued() const { return issued.load(std::memory_order_relaxed) == requests_.size(); }
  std::size_t IndexOf(const Slot& slot) const {
    return static_cast<std::size_t>(&slot - slots_.data());
  }

  const Options options_;
  sockaddr_in address_{};
  Descriptor epoll_, tick_, send_timer_, stop_event_;
  std::vector<Slot> slots_;
  std::vector<char> buffer_ = std::vector<char>(kReadBytes);
  std::string connect_error_;
  int connecting_ = 0;
  MonoNs next_deadline_ = kNever;

  std::span<const WireRequest> requests_;
  std::size_t next_ = 0;  // the first that follows nobody and is not issued
  Followers followers_;
  std::deque<std::size_t> free_;  // slots without a request, the longest free first
  MonoNs next_tick_ = 0;
  bool stopping_ = false;
  bool issuing_ = false;
  ClientSelf self_;
  std::vector<double> connect_ms_;

  std::mutex mutex_;
  std::condition_variable ready_;
  std::vector<FinishedExchange> finished_;  // guarded by mutex_
  bool thread_done_ = false;                // guarded by mutex_
  std::exception_ptr thread_error_;         // guarded by mutex_
};

}  // namespace kvtier
