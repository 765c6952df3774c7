#pragma once
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string>
#include <system_error>

#include <netinet/in.h>
#include <sys/socket.h>

namespace kvtier {

/// For tests: a TCP port of 127.0.0.1 on which nobody listens, and which nobody else is given while
/// this lives. Connecting to it is refused; a server that sets SO_REUSEADDR before it binds, as
/// most do, can take it. A port that was merely free a moment ago belongs to somebody else now and
/// then.
class ReservedPort {
 public:
  ReservedPort() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const int on = 1;
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    sockaddr generic{};
    std::memcpy(&generic, &address, sizeof address);
    if (fd_ < 0 || ::setsockopt(fd_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        ::bind(fd_, &generic, size) != 0 || ::getsockname(fd_, &generic, &size) != 0)
      throw std::system_error(errno, std::generic_category(), "no port for a test");
    std::memcpy(&address, &generic, sizeof address);
    number_ = ntohs(address.sin_port);
  }
  ~ReservedPort() { ::close(fd_); }
  ReservedPort(const ReservedPort&) = delete;
  ReservedPort& operator=(const ReservedPort&) = delete;

  std::uint16_t number() const { return number_; }
  std::string text() const { return std::to_string(number_); }

 private:
  int fd_;
  std::uint16_t number_ = 0;
};

}  // namespace kvtier
