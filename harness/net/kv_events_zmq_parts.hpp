#pragma once
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include <sys/eventfd.h>
#include <zmq.hpp>

#include "harness/core/error.hpp"

/// What the two ends of the KV event stream share. Internal to kv_events_zmq_*.cpp.
namespace kvtier::kv_zmq {

/// The sequence behind the last batch of a replay.
inline constexpr std::uint64_t kEndOfReplay = std::numeric_limits<std::uint64_t>::max();
/// As vLLM: what may wait for one slow reader before the socket drops.
inline constexpr int kHighWater = 100000;
/// More of one message are read and dropped.
inline constexpr std::size_t kMostFrames = 8;

/// Wakes a poll from other threads.
class Bell {
 public:
  Bell() : fd_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
    if (fd_ < 0) throw IoError("cannot create an eventfd for KV events");
  }
  ~Bell() { ::close(fd_); }
  Bell(const Bell&) = delete;
  Bell& operator=(const Bell&) = delete;
  int fd() const { return fd_; }
  void Ring() const { (void)::eventfd_write(fd_, 1); }
  void Hush() const {
    eventfd_t ignored = 0;
    (void)::eventfd_read(fd_, &ignored);
  }

 private:
  int fd_;
};

/// The frames of one message that is there; empty when there is none.
inline std::vector<std::string> Receive(zmq::socket_t& socket) {
  std::vector<std::string> frames;
  for (;;) {
    zmq::message_t message;
    const auto flags = frames.empty() ? zmq::recv_flags::dontwait : zmq::recv_flags::none;
    if (!socket.recv(message, flags)) break;
    if (frames.size() <= kMostFrames) frames.push_back(message.to_string());
    if (!message.more()) break;
  }
  return frames;
}

inline void Send(zmq::socket_t& socket, const std::vector<std::string>& frames) {
  for (std::size_t i = 0; i < frames.size(); ++i) {
    const auto more = i + 1 < frames.size() ? zmq::send_flags::sndmore : zmq::send_flags::none;
    (void)socket.send(zmq::buffer(frames[i]), more | zmq::send_flags::dontwait);
  }
}

/// A signal only wakes it.
inline void Poll(std::span<zmq::pollitem_t> items, std::chrono::milliseconds limit) {
  try {
    zmq::poll(items.data(), items.size(), limit);
  } catch (const zmq::error_t& e) {
    if (e.num() != EINTR) throw;
  }
}

}  // namespace kvtier::kv_zmq
