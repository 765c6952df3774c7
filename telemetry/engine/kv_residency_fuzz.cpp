#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include <nlohmann/json.hpp>

#include "harness/core/error.hpp"
#include "telemetry/engine/kv_residency.hpp"

/// Any bytes are a store's answer or a ProtocolError; any stream of events and any store end in a
/// report that reads back as itself.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace kvtier;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  KvResidencyInputs inputs;
  try {
    inputs.store = ParseKvStoreTruth(bytes);
  } catch (const ProtocolError&) {
  }
  std::uint64_t sequence = 0;
  for (std::size_t at = 0; at + 3 <= size; at += 3) {
    const auto tier = static_cast<KvMedium>(data[at] & 3);
    HeardKvBatch heard;
    heard.sequence = sequence++;
    if ((data[at] & 4) != 0) {
      KvStored stored;
      stored.block_hashes = {data[at + 1]};
      if ((data[at] & 8) != 0) stored.parent_hash = data[at + 2];
      stored.medium = tier;
      heard.batch.events = {stored};
    } else if ((data[at] & 16) != 0) {
      heard.batch.events = {KvRemoved{{data[at + 1], data[at + 2]}, tier}};
    } else {
      heard.batch.events = {KvCleared{}};
    }
    inputs.log.batches.push_back(heard);
  }
  const KvResidencyReport report = JudgeKvResidency(inputs);
  const nlohmann::json j = report;
  if (nlohmann::json(KvResidencyFromJson(j, "fuzz")) != j) std::abort();
  return 0;
}
