#include <algorithm>
#include <cstring>

#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "harness/net/completion_loop.hpp"

namespace kvtier {

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

}  // namespace kvtier
