#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "harness/net/sse.hpp"

namespace {

std::string Events(std::string_view bytes, std::size_t step) {
  kvtier::SseSplitter splitter;
  std::string all;
  const kvtier::SseSplitter::Sink sink = [&](const kvtier::SseEvent& event) {
    all.append(event.type).append("|").append(event.data).append("|").append(event.id).append("\n");
  };
  for (std::size_t at = 0; at < bytes.size(); at += step)
    splitter.Feed(bytes.substr(at, step), sink);
  return all;
}

}  // namespace

/// However the bytes are cut, the events are the same.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string bytes(data, data + size);
  const std::string whole = Events(bytes, size + 1);
  for (const std::size_t step : {std::size_t{1}, std::size_t{2}, std::size_t{3}, std::size_t{7}}) {
    if (Events(bytes, step) != whole) std::abort();
  }
  return 0;
}
