#include "harness/net/completion_client.hpp"

#include <errno.h>
#include <pthread.h>

#include <algorithm>
#include <thread>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>

#include "harness/net/completion_loop.hpp"

namespace kvtier {

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

ClientSelf CompletionClient::Loop::Run(std::span<const WireRequest> requests,
                                       const std::function<void(FinishedExchange&&)>& on_finished,
                                       std::stop_token stop, const std::function<void()>& on_idle) {
  requests_ = requests;
  next_ = 0;
  followers_.Reset(requests);
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
