#pragma once
#include <stdexcept>
#include <string>

namespace kvtier {

/// Base of every error this project throws. The text is one clear sentence that names the file,
/// flag or endpoint and what to do about it. A failed request, a missing metric or a failed gate is
/// data, never an exception.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// User input is wrong: a profile, a flag, an environment variable. Names the place, the value and
/// what is allowed.
class ConfigError : public Error {
 public:
  using Error::Error;
};

/// A serving stack could not come up, or died. Names the component, its exit status and its log.
class StackError : public Error {
 public:
  using Error::Error;
};

/// A peer broke HTTP, SSE, the exposition format or its own API. Names the endpoint.
class ProtocolError : public Error {
 public:
  using Error::Error;
};

/// The operating system refused a file or socket operation. Names the path and the errno text.
class IoError : public Error {
 public:
  using Error::Error;
  /// "cannot <what> <path>: <strerror(errno_value)>"
  static IoError FromErrno(const std::string& what, const std::string& path, int errno_value);
};

/// An artifact on disk is not what its schema says. Names the file and the key.
class DataError : public Error {
 public:
  using Error::Error;
};

}  // namespace kvtier
