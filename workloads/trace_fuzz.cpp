#include <cstdint>
#include <string_view>

#include "harness/core/error.hpp"
#include "workloads/trace.hpp"

// Whatever the bytes are, the loader returns requests or throws a DataError; what it returns can be
// planned or is refused.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    const auto trace = kvtier::ParseTrace(text, "fuzz", {.max_requests = 64});
    kvtier::DescribeTrace(trace);
    kvtier::TraceOptions options;
    options.max_request_tokens = 4096;
    kvtier::PlanFromTrace(trace, options);
  } catch (const kvtier::DataError&) {
  } catch (const kvtier::ConfigError&) {
  }
  return 0;
}
