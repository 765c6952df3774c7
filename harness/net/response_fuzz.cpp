#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "harness/net/response_reader.hpp"

namespace {

std::string Read(std::string_view bytes, std::size_t step) {
  kvtier::ResponseReader reader;
  std::string body;
  std::size_t taken = 0;
  for (std::size_t at = 0; at < bytes.size(); at += step) {
    const std::string_view part = bytes.substr(at, step);
    const std::size_t n = reader.Feed(part, body);
    taken += n;
    if (n < part.size()) break;
  }
  reader.Finish();
  if (reader.state() == kvtier::ResponseReader::State::kBroken) return "broken";
  return std::to_string(reader.status()) + "/" + std::to_string(static_cast<int>(reader.state())) +
         "/" + std::to_string(taken) + "/" + body;
}

}  // namespace

/// However the bytes are cut, the answer is the same.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string bytes(data, data + size);
  const std::string whole = Read(bytes, size + 1);
  for (const std::size_t step : {std::size_t{1}, std::size_t{2}, std::size_t{5}}) {
    if (Read(bytes, step) != whole) std::abort();
  }
  return 0;
}
