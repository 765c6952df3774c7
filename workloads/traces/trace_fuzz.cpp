#include <cstdint>
#include <string_view>

#include "harness/core/error.hpp"
#include "workloads/traces/hit_curve.hpp"
#include "workloads/traces/trace_file.hpp"
#include "workloads/traces/trace_shape.hpp"
#include "workloads/traces/trace_transform.hpp"

// Whatever the bytes are, each loader returns requests or throws a DataError; what it returns can
// be described, changed, written and read back, and planned or is refused.
namespace {

void Use(kvtier::TraceFile file) {
  kvtier::DescribeTrace(file.requests);
  kvtier::ShapeOf(file.requests);
  kvtier::HitCurveModel model({.device_blocks = 4, .host_blocks = 8, .disk_blocks = 64}, true);
  for (const auto& r : file.requests) model.Request(r.timestamp_ms / 1000, r.hash_ids);
  model.Finish();
  kvtier::TraceTransform how;
  how.max_context = 1'000'000;
  auto changed = kvtier::Transform(std::move(file.requests), how).requests;
  kvtier::FillTraceIds(changed);
  kvtier::TraceFileOptions again;
  again.block_tokens = changed.front().block_tokens;
  kvtier::ParseTraceFile(kvtier::TraceText(changed, false), "written", again);
  kvtier::TraceOptions options;
  options.max_request_tokens = 4096;
  kvtier::PlanFromTrace(changed, options);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    Use(kvtier::ParseTraceFile(text, "fuzz", {.max_requests = 64}));
  } catch (const kvtier::DataError&) {
  } catch (const kvtier::ConfigError&) {
  }
  return 0;
}
