#include "harness/net/completion_client.hpp"

#include <errno.h>
#include <pthread.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <exception>
#include <limits>
#include <mutex>
#include <thread>
#include <utility>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

#include "harness/core/error.hpp"
#include "harness/net/response_reader.hpp"

// The reading loop stands directly on epoll. Asio would do in functions and portability, but a
// wake-up through its reactor, its handler queue and its per-descriptor lock cost about 1 us of the
// 6-7 us that an event arriving alone costs anyway (epoll_wait and recv), and those microseconds
// are what this client promises. Level-triggered: one recv a wake-up, no second one just to see
// EAGAIN.

namespace kvtier {
namespace {

constexpr MonoNs kNever = std::numeric_limits<MonoNs>::max();
constexpr MonoNs kTickNs = 10'000'000;
constexpr int kMaxConnecting = 128;  // at once while opening: well under any listen backlog
constexpr std::size_t kReadBytes = 64 << 10;

/// epoll user data of what is not a connection; connections carry generation and slot.
constexpr std::uint64_t kTickId = ~0ull, kSendId = ~1ull, kStopId = ~2ull;

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

MonoNs ToNs(std::chrono::milliseconds d) {
  return std::chrono::nanoseconds(d).count();
}

std::string ErrnoText(int error) {
  return std::generic_category().message(error);
}

double ThreadCpuSeconds() {
  timespec ts{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
  return static_cast<double>(ts.tv_sec) + static_cast<double>(ts.tv_nsec) / 1e9;
}

/// Drains the counter of a timerfd or eventfd.
std::uint64_t ReadCounter(int fd) {
  std::uint64_t count = 0;
  return ::read(fd, &count, sizeof count) == static_cast<ssize_t>(sizeof count) ? count : 0;
}

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

}  // namespace

WireRequest MakeWireRequest(const Url& url, std::string_view body, bool stream,
                            const HttpHeaders& headers) {
  WireRequest request;
  request.stream = stream;
  request.bytes = fmt::format(
      "POST {} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nAccept: {}\r\n",
      url.target, url.Authority(), stream ? "text/event-stream" : "application/json");
  for (const auto& [name, value] : headers) request.bytes += fmt::format("{}: {}\r\n", name, value);
  request.bytes += fmt::format("Content-Length: {}\r\n\r\n", body.size());
  request.bytes += body;
  return request;
}

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
  // The reading thread.
  void ReadUntilDone();
  void Turn();
  void OnConnectionEvent(std::size_t slot_index, std::uint32_t events);
  void OnTick();
  void OnStop();
  void IssueDue();
  void Assign(std::size_t slot_index, MonoNs scheduled);
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
  std::size_t next_ = 0;
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

CompletionClient::Loop::Loop(const Options& options)
    : options_(options),
      epoll_(epoll_create1(EPOLL_CLOEXEC), "an epoll descriptor"),
      tick_(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC), "a timer descriptor"),
      send_timer_(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC),
                  "a timer descriptor"),
      stop_event_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), "an event descriptor"),
      slots_(static_cast<std::size_t>(std::max(1, options.concurrency))) {
  address_.sin_family = AF_INET;
  address_.sin_port = htons(options_.url.port);
  if (inet_pton(AF_INET, options_.url.host.c_str(), &address_.sin_addr) != 1) {
    throw ConfigError(
        fmt::format("'{}' is not a dotted address; use Url::Parse", options_.url.host));
  }
  for (const auto& [fd, id] : {std::pair{tick_.get(), kTickId},
                               {send_timer_.get(), kSendId},
                               {stop_event_.get(), kStopId}}) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = id;
    if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0)
      throw IoError::FromErrno("watch", "a timer", errno);
  }
  // Absolute and periodic: the lateness of each turn is the loop lag.
  next_tick_ = NowMono() + kTickNs;
  itimerspec period{};
  period.it_interval = {0, kTickNs};
  period.it_value = {next_tick_ / 1'000'000'000, next_tick_ % 1'000'000'000};
  timerfd_settime(tick_.get(), TFD_TIMER_ABSTIME, &period, nullptr);
  OpenAll();
}

// ---- connections

void CompletionClient::Loop::OpenAll() {
  for (auto& slot : slots_) {
    while (connecting_ >= kMaxConnecting) Turn();
    if (StartConnect(slot)) continue;
    // Refused is the server's state and may pass; no more descriptors is ours and will not.
    if (slot.connect_started < 0) {
      throw IoError(fmt::format(
          "cannot open {} connections to {}: {}; raise the limit of open files (ulimit -n)",
          slots_.size(), options_.url.Authority(), connect_error_));
    }
  }
  while (connecting_ > 0) Turn();
}

bool CompletionClient::Loop::StartConnect(Slot& slot) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  slot.connect_started = NowMono();
  if (fd < 0) {
    connect_error_ = ErrnoText(errno);
    slot.connect_started = -1;
    return false;
  }
  slot.fd = Descriptor(fd, "a socket");
  const int one = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  sockaddr generic{};
  static_assert(sizeof generic == sizeof address_);
  std::memcpy(&generic, &address_, sizeof generic);
  if (::connect(fd, &generic, sizeof generic) != 0 && errno != EINPROGRESS) {
    connect_error_ = ErrnoText(errno);
    slot.fd.Close();
    return false;
  }
  ++slot.generation;
  slot.state = Slot::State::kConnecting;
  ++connecting_;
  Watch(slot, EPOLL_CTL_ADD, EPOLLOUT);
  next_deadline_ = std::min(next_deadline_, DeadlineOf(slot));
  return true;
}

void CompletionClient::Loop::Watch(Slot& slot, int operation, std::uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = (static_cast<std::uint64_t>(slot.generation) << 32) | IndexOf(slot);
  if (epoll_ctl(epoll_.get(), operation, slot.fd.get(), &event) != 0) {
    throw IoError::FromErrno("watch the connection to", options_.url.Authority(), errno);
  }
  slot.watches_write = (events & EPOLLOUT) != 0;
}

void CompletionClient::Loop::OnConnected(Slot& slot) {
  int error = 0;
  socklen_t length = sizeof error;
  getsockopt(slot.fd.get(), SOL_SOCKET, SO_ERROR, &error, &length);
  if (error != 0) {
    Disconnect(slot);
    if (slot.request != nullptr) {
      Finish(slot, TransportEnd::kConnectFailed,
             fmt::format("cannot connect to {}: {}", options_.url.Authority(), ErrnoText(error)),
             NowMono());
    }
    return;
  }
  --connecting_;
  slot.state = Slot::State::kOpen;
  open.fetch_add(1, std::memory_order_relaxed);
  connect_ms_.push_back(NsToMs(NowMono() - slot.connect_started));
  Watch(slot, EPOLL_CTL_MOD, EPOLLIN);
  if (slot.request != nullptr) StartSend(slot);
}

void CompletionClient::Loop::Disconnect(Slot& slot) {
  if (slot.state == Slot::State::kConnecting) --connecting_;
  if (slot.state == Slot::State::kOpen) open.fetch_sub(1, std::memory_order_relaxed);
  slot.state = Slot::State::kClosed;
  slot.fd.Close();
}

// ---- the reading thread

ClientSelf CompletionClient::Loop::Run(std::span<const WireRequest> requests,
                                       const std::function<void(FinishedExchange&&)>& on_finished,
                                       std::stop_token stop, const std::function<void()>& on_idle) {
  requests_ = requests;
  next_ = 0;
  stopping_ = stop.stop_requested();
  thread_done_ = false;
  thread_error_ = nullptr;
  self_ = {};
  issued = 0;
  ReadCounter(stop_event_.get());
  const auto wake = [this] {
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t n = ::write(stop_event_.get(), &one, sizeof one);
  };
  const std::stop_callback on_stop(stop, wake);

  std::exception_ptr consumer_error;
  std::jthread reader([this] {
    pthread_setname_np(pthread_self(), "kvtier-client");
    std::exception_ptr error;
    try {
      ReadUntilDone();
    } catch (...) {
      error = std::current_exception();
    }
    const std::lock_guard lock(mutex_);
    thread_error_ = error;
    thread_done_ = true;
    ready_.notify_one();
  });
  std::vector<FinishedExchange> batch;
  for (bool done = false; !done;) {
    {
      std::unique_lock lock(mutex_);
      ready_.wait_for(lock, std::chrono::milliseconds(200),
                      [&] { return thread_done_ || !finished_.empty(); });
      std::swap(batch, finished_);
      done = thread_done_;
    }
    try {
      for (auto& exchange : batch) {
        if (!consumer_error) on_finished(std::move(exchange));
      }
      if (on_idle && !consumer_error) on_idle();
    } catch (...) {
      consumer_error = std::current_exception();
      wake();
    }
    batch.clear();
  }
  reader.join();
  self_.connect_ms = connect_ms_;
  if (thread_error_) std::rethrow_exception(thread_error_);
  if (consumer_error) std::rethrow_exception(consumer_error);
  return std::move(self_);
}

void CompletionClient::Loop::ReadUntilDone() {
  const double cpu_before = ThreadCpuSeconds();
  // Ticks that nobody served since the last phase are not lag of this one.
  if (const auto missed = ReadCounter(tick_.get()))
    next_tick_ += static_cast<MonoNs>(missed) * kTickNs;
  self_.start = NowMono();
  free_.clear();
  for (auto& slot : slots_) {
    slot.free_since = self_.start;
    free_.push_back(IndexOf(slot));
  }
  IssueDue();
  while (in_flight.load(std::memory_order_relaxed) > 0 || (next_ < requests_.size() && !stopping_))
    Turn();
  self_.end = NowMono();
  self_.cpu_s = ThreadCpuSeconds() - cpu_before;
  self_.issued = issued.load();
}

void CompletionClient::Loop::Turn() {
  std::array<epoll_event, 128> events;
  const int n = epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), -1);
  if (n < 0) {
    if (errno == EINTR) return;
    throw IoError::FromErrno("wait for", options_.url.Authority(), errno);
  }
  for (int i = 0; i < n; ++i) {
    const epoll_event& event = events[static_cast<std::size_t>(i)];
    if (event.data.u64 == kTickId) {
      OnTick();
    } else if (event.data.u64 == kSendId) {
      ReadCounter(send_timer_.get());
      IssueDue();
    } else if (event.data.u64 == kStopId) {
      ReadCounter(stop_event_.get());
      OnStop();
    } else {
      const std::size_t slot = event.data.u64 & 0xffffffffu;
      if (slots_[slot].generation == event.data.u64 >> 32) OnConnectionEvent(slot, event.events);
    }
  }
}

void CompletionClient::Loop::OnConnectionEvent(std::size_t slot_index, std::uint32_t events) {
  Slot& slot = slots_[slot_index];
  if (slot.state == Slot::State::kClosed) return;  // closed earlier in this turn
  if (slot.state == Slot::State::kConnecting) return OnConnected(slot);
  const std::uint32_t generation = slot.generation;
  if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) ReadSome(slot);
  const bool same = slot.state == Slot::State::kOpen && slot.generation == generation;
  if (same && (events & EPOLLOUT) != 0 && !slot.Sent()) ContinueSend(slot);
}

void CompletionClient::Loop::OnTick() {
  const std::uint64_t turns = ReadCounter(tick_.get());
  const MonoNs now = NowMono();
  for (std::uint64_t i = 0; i < turns; ++i) {
    self_.loop_lag_ms.push_back(NsToMs(now - next_tick_));
    next_tick_ += kTickNs;
  }
  if (now >= next_deadline_) ExpireDeadlines(now);
}

void CompletionClient::Loop::OnStop() {
  stopping_ = true;
  const MonoNs now = NowMono();
  for (auto& slot : slots_) {
    if (slot.request == nullptr) continue;
    Disconnect(slot);
    Finish(slot, TransportEnd::kCancelled, "the run stopped before the answer was complete", now);
  }
}

MonoNs CompletionClient::Loop::DeadlineOf(const Slot& slot) const {
  if (slot.state == Slot::State::kConnecting)
    return slot.connect_started + ToNs(options_.connect_timeout);
  if (slot.request == nullptr || !slot.raw.sent_first) return kNever;
  MonoNs deadline = kNever;
  if (options_.total_timeout.count() > 0)
    deadline = *slot.raw.sent_first + ToNs(options_.total_timeout);
  if (options_.stall_timeout.count() > 0 && slot.last_data != kNever) {
    deadline = std::min(deadline, slot.last_data + ToNs(options_.stall_timeout));
  }
  return deadline;
}

void CompletionClient::Loop::ExpireDeadlines(MonoNs now) {
  // Deadlines mostly move later while nobody looks, so the earliest of the last scan is a safe time
  // for the next.
  next_deadline_ = kNever;
  for (auto& slot : slots_) {
    const MonoNs deadline = DeadlineOf(slot);
    if (deadline > now) {
      next_deadline_ = std::min(next_deadline_, deadline);
      continue;
    }
    const bool connecting = slot.state == Slot::State::kConnecting;
    Disconnect(slot);
    if (slot.request == nullptr) continue;
    if (connecting) {
      Finish(slot, TransportEnd::kConnectFailed,
             fmt::format("no connection to {} within {} ms", options_.url.Authority(),
                         options_.connect_timeout.count()),
             now);
    } else if (options_.total_timeout.count() > 0 &&
               now >= *slot.raw.sent_first + ToNs(options_.total_timeout)) {
      Finish(slot, TransportEnd::kTotalTimeout,
             fmt::format("no complete answer within {} ms", options_.total_timeout.count()), now);
    } else {
      Finish(slot, TransportEnd::kStallTimeout,
             fmt::format("the answer stood still for {} ms", options_.stall_timeout.count()), now);
    }
    next_deadline_ =
        std::min(next_deadline_, DeadlineOf(slot));  // of the request that took the slot over
  }
}

void CompletionClient::Loop::IssueDue() {
  if (issuing_) return;
  issuing_ = true;
  while (!stopping_ && next_ < requests_.size() && !free_.empty()) {
    const auto& offset = requests_[next_].send_offset_ns;
    const MonoNs scheduled = offset ? self_.start + *offset : 0;
    if (offset && scheduled > NowMono()) {
      ArmSendTimer(scheduled);
      break;
    }
    const std::size_t slot = free_.front();
    free_.pop_front();
    Assign(slot, scheduled);
  }
  issuing_ = false;
}

void CompletionClient::Loop::ArmSendTimer(MonoNs at) {
  itimerspec once{};
  once.it_value = {at / 1'000'000'000, at % 1'000'000'000};
  timerfd_settime(send_timer_.get(), TFD_TIMER_ABSTIME, &once, nullptr);
}

void CompletionClient::Loop::Assign(std::size_t slot_index, MonoNs scheduled) {
  Slot& slot = slots_[slot_index];
  const WireRequest& request = requests_[next_];
  slot.request = &request;
  slot.index = next_++;
  slot.order = issued.fetch_add(1, std::memory_order_relaxed);
  slot.sent = 0;
  slot.last_data = kNever;
  slot.raw = {};
  slot.reader.Reset();
  slot.raw.stream = request.stream;
  slot.raw.issued = NowMono();
  slot.raw.scheduled = request.send_offset_ns ? scheduled : *slot.raw.issued;
  slot.eligible = std::max(scheduled, slot.free_since);
  if (request.send_offset_ns) self_.pool_wait_ms.push_back(NsToMs(slot.eligible - scheduled));
  const int flying = in_flight.fetch_add(1, std::memory_order_relaxed) + 1;
  self_.max_in_flight = std::max(self_.max_in_flight, flying);
  if (slot.state == Slot::State::kOpen) return StartSend(slot);
  if (slot.state == Slot::State::kClosed && !StartConnect(slot)) {
    Finish(slot, TransportEnd::kConnectFailed,
           fmt::format("cannot connect to {}: {}", options_.url.Authority(), connect_error_),
           NowMono());
  }
}

void CompletionClient::Loop::StartSend(Slot& slot) {
  // The server may have closed this idle connection a moment ago: that is no failure of the
  // request.
  char probe = 0;
  const ssize_t waiting = ::recv(slot.fd.get(), &probe, 1, MSG_PEEK | MSG_DONTWAIT);
  if (waiting >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK)) {
    Disconnect(slot);
    if (!StartConnect(slot)) {
      Finish(slot, TransportEnd::kConnectFailed,
             fmt::format("cannot connect to {}: {}", options_.url.Authority(), connect_error_),
             NowMono());
    }
    return;
  }
  slot.raw.sent_first = NowMono();
  self_.send_delay_ms.push_back(NsToMs(*slot.raw.sent_first - slot.eligible));
  next_deadline_ = std::min(next_deadline_, DeadlineOf(slot));
  ContinueSend(slot);
}

void CompletionClient::Loop::ContinueSend(Slot& slot) {
  const std::string& bytes = slot.request->bytes;
  while (slot.sent < bytes.size()) {
    const ssize_t n =
        ::send(slot.fd.get(), bytes.data() + slot.sent, bytes.size() - slot.sent, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      // Full: wait. Anything else: the server may have answered and closed; reading tells.
      if (errno != EAGAIN && errno != EWOULDBLOCK) return ReadSome(slot);
      if (!slot.watches_write) Watch(slot, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
      return;
    }
    slot.sent += static_cast<std::size_t>(n);
  }
  slot.raw.sent_last = NowMono();
  if (slot.watches_write) Watch(slot, EPOLL_CTL_MOD, EPOLLIN);
}

void CompletionClient::Loop::ReadSome(Slot& slot) {
  const ssize_t n = ::recv(slot.fd.get(), buffer_.data(), buffer_.size(), 0);
  const MonoNs at = NowMono();
  if (n <= 0) {
    const int error = n < 0 ? errno : 0;
    if (error == EAGAIN || error == EWOULDBLOCK || error == EINTR) return;
    return OnEndOfFile(slot, at, error);
  }
  if (slot.request == nullptr || !slot.raw.sent_first)
    return Disconnect(slot);  // nobody asked for this
  RawExchange& raw = slot.raw;
  const std::string_view bytes(buffer_.data(), static_cast<std::size_t>(n));
  const std::size_t taken = slot.reader.Feed(bytes, raw.body);
  raw.reads.push_back({at, static_cast<std::uint32_t>(n), raw.body.size()});
  if (!raw.header && slot.reader.has_head()) raw.header = at;
  switch (slot.reader.state()) {
    case ResponseReader::State::kHead:
      return;
    case ResponseReader::State::kBody:
      if (raw.body.size() > options_.max_answer_bytes) {
        Disconnect(slot);
        return Finish(slot, TransportEnd::kNotHttp,
                      fmt::format("the answer is longer than {} bytes", options_.max_answer_bytes),
                      at);
      }
      if (slot.last_data == kNever && !raw.body.empty() && options_.stall_timeout.count() > 0) {
        next_deadline_ = std::min(next_deadline_, at + ToNs(options_.stall_timeout));
      }
      if (!raw.body.empty()) slot.last_data = at;
      return;
    case ResponseReader::State::kBroken:
      Disconnect(slot);
      return Finish(slot, TransportEnd::kNotHttp, slot.reader.why(), at);
    case ResponseReader::State::kComplete:
      if (!slot.reader.keep_alive() || taken < bytes.size() || !slot.Sent()) Disconnect(slot);
      return Finish(slot, TransportEnd::kComplete, "", at);
  }
}

void CompletionClient::Loop::OnEndOfFile(Slot& slot, MonoNs at, int error) {
  Disconnect(slot);
  if (slot.request == nullptr) {
    // Closed between two requests; a new connection now keeps the connect time out of the next one.
    if (!stopping_ && next_ < requests_.size()) StartConnect(slot);
    return;
  }
  slot.reader.Finish();
  if (slot.reader.state() == ResponseReader::State::kComplete) {
    return Finish(slot, TransportEnd::kComplete, "", at);
  }
  Finish(slot, TransportEnd::kClosed,
         error == 0 ? "the server closed the connection"
                    : fmt::format("the connection broke: {}", ErrnoText(error)),
         at);
}

void CompletionClient::Loop::Finish(Slot& slot, TransportEnd end, std::string error, MonoNs at) {
  RawExchange& raw = slot.raw;
  raw.end = end;
  raw.transport_error = std::move(error);
  raw.closed = at;
  if (slot.reader.has_head()) {
    raw.status = slot.reader.status();
    raw.headers = slot.reader.TakeHeaders();
  }
  {
    const std::lock_guard lock(mutex_);
    finished_.push_back({slot.index, slot.order, static_cast<int>(IndexOf(slot)), std::move(raw)});
  }
  ready_.notify_one();
  slot.raw = {};
  slot.request = nullptr;
  slot.free_since = at;
  in_flight.fetch_sub(1, std::memory_order_relaxed);
  free_.push_back(IndexOf(slot));
  // From inside IssueDue this does nothing: a server that is gone would make the two recurse once a
  // request.
  IssueDue();
}

CompletionClient::CompletionClient(const Options& options)
    : loop_(std::make_unique<Loop>(options)) {}
CompletionClient::~CompletionClient() = default;

ClientSelf CompletionClient::Run(std::span<const WireRequest> requests,
                                 const std::function<void(FinishedExchange&&)>& on_finished,
                                 std::stop_token stop, const std::function<void()>& on_idle) {
  return loop_->Run(requests, on_finished, std::move(stop), on_idle);
}

std::size_t CompletionClient::issued() const {
  return loop_->issued.load(std::memory_order_relaxed);
}
int CompletionClient::in_flight() const {
  return loop_->in_flight.load(std::memory_order_relaxed);
}
int CompletionClient::open_connections() const {
  return loop_->open.load(std::memory_order_relaxed);
}

}  // namespace kvtier
