#include "harness/core/error.hpp"

#include <system_error>

namespace kvtier {

IoError IoError::FromErrno(const std::string& what, const std::string& path, int errno_value) {
  return IoError("cannot " + what + " " + path + ": " +
                 std::generic_category().message(errno_value));
}

}  // namespace kvtier
