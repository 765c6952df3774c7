#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "harness/core/error.hpp"
#include "harness/net/kv_events.hpp"
#include "harness/net/kv_events_json.hpp"

/// Any bytes are a batch or a ProtocolError; what was read is written and read back the same. The
/// same for router events.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace kvtier;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  try {
    const KvEventBatch batch = DecodeKvEventBatch(bytes);
    const KvEventBatch again = DecodeKvEventBatch(EncodeKvEventBatch(batch));
    if (again.events != batch.events || again.dp_rank != batch.dp_rank) std::abort();
    for (const KvEvent& event : batch.events) {
      const RouterEvent routed = ToRouterEvent(event, 1, 2);
      if (DecodeRouterEvent(EncodeRouterEvent(routed)) != routed) std::abort();
    }
  } catch (const ProtocolError&) {
  }
  try {
    const RouterEvent event = DecodeRouterEvent(bytes);
    if (DecodeRouterEvent(EncodeRouterEvent(event)) != event) std::abort();
  } catch (const ProtocolError&) {
  }
  return 0;
}
