#include "harness/net/completion_loop.hpp"

#include <time.h>

#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/socket.h>

namespace kvtier {
namespace {

double ThreadCpuSeconds() {
  timespec ts{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
  return static_cast<double>(ts.tv_sec) + static_cast<double>(ts.tv_nsec) / 1e9;
}

}  // namespace

std::uint64_t CompletionClient::Loop::ReadCounter(int fd) {
  std::uint64_t count = 0;
  return ::read(fd, &count, sizeof count) == static_cast<ssize_t>(sizeof count) ? count : 0;
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
  while (in_flight.load(std::memory_order_relaxed) > 0 || (!AllIssued() && !stopping_)) Turn();
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
  while (!stopping_ && !free_.empty()) {
    const auto due = TakeDue();
    if (!due) break;
    const std::size_t slot = free_.front();
    free_.pop_front();
    Assign(slot, *due);
  }
  issuing_ = false;
}

void CompletionClient::Loop::Assign(std::size_t slot_index, const Due& due) {
  Slot& slot = slots_[slot_index];
  const WireRequest& request = requests_[due.index];
  slot.request = &request;
  slot.index = due.index;
  slot.order = issued.fetch_add(1, std::memory_order_relaxed);
  slot.sent = 0;
  slot.last_data = kNever;
  slot.raw = {};
  slot.reader.Reset();
  slot.raw.stream = request.stream;
  slot.raw.issued = NowMono();
  slot.raw.scheduled = due.at > 0 ? due.at : *slot.raw.issued;
  slot.eligible = std::max(due.at, slot.free_since);
  if (due.at > 0) self_.pool_wait_ms.push_back(NsToMs(slot.eligible - due.at));
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
    if (!stopping_ && !AllIssued()) StartConnect(slot);
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
  followers_.Release(slot.index, at, self_.start);
  slot.raw = {};
  slot.request = nullptr;
  slot.free_since = at;
  in_flight.fetch_sub(1, std::memory_order_relaxed);
  free_.push_back(IndexOf(slot));
  // From inside IssueDue this does nothing: a server that is gone would make the two recurse once a
  // request.
  IssueDue();
}

}  // namespace kvtier
