#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include <nlohmann/json.hpp>

#include "harness/core/error.hpp"
#include "harness/report/timeline.hpp"

// A timeline may come from another machine or from a killed recorder: any line ends in a row or a
// DataError, and what was read writes a line that reads back as the same.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view line(reinterpret_cast<const char*>(data), size);
  try {
    const kvtier::TimelineHead head = kvtier::ParseTimelineHead(line);
    const kvtier::TimelineHead again = kvtier::ParseTimelineHead(kvtier::TimelineHeadLine(head));
    if (again.anchor.mono != head.anchor.mono || again.kv_device != head.kv_device) std::abort();
  } catch (const kvtier::DataError&) {
  }
  try {
    const kvtier::TimelineRow row = kvtier::ParseTimelineRow(line);
    const kvtier::TimelineRow again = kvtier::ParseTimelineRow(kvtier::TimelineRowLine(row));
    if (again.at != row.at || again.values != row.values || again.labels != row.labels)
      std::abort();
  } catch (const kvtier::DataError&) {
  }
  return 0;
}
