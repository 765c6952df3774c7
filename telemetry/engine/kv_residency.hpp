#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "harness/core/reading.hpp"
#include "harness/judge/evidence.hpp"
#include "harness/net/kv_events.hpp"

/// Do an engine's KV events tell the truth? The blocks of each tier are rebuilt from them and held
/// against what the store says that it holds, against its occupancy and against its counters.
namespace kvtier {

/// One message of the stream, as it was heard.
struct HeardKvBatch {
  std::uint64_t sequence = 0;
  KvEventBatch batch;
};

/// Everything that was heard of one worker.
struct KvEventLog {
  std::vector<HeardKvBatch> batches;  // in order
  std::uint64_t lost_batches = 0;     // that nobody could send again
  std::uint64_t gaps = 0;             // that were asked for again
};

/// What the store holds, at one moment of the stream: GET /kv_residency of the reference worker.
struct KvStoreTruth {
  std::uint64_t next_sequence = 0;  // batches before it were said when it held this
  std::unordered_set<std::uint64_t> device, host, disk;
};
/// Throws ProtocolError naming the key.
KvStoreTruth ParseKvStoreTruth(std::string_view text);

struct KvResidencyInputs {
  KvEventLog log;
  Reading<KvStoreTruth> store;
  /// Counters and gauges while nothing changed: those of the store's moment. A failed snapshot says
  /// why not.
  KvbmSnapshot counters;
};

/// One way in which the events and the store disagree.
struct KvResidencyFinding {
  std::string code;  // see kKvResidencyCodes
  std::string tier;  // device, host_pinned, disk; empty: the stream
  std::string detail;
  bool operator==(const KvResidencyFinding&) const = default;
};
inline constexpr std::string_view kKvResidencyCodes[] = {
    "EVENTS_LOST",          // batches that cannot be had any more: nothing below is judged
    "REMOVED_TWICE",        // a block was removed from a tier that did not have it
    "STORED_TWICE",         // a block was stored in a tier that has it
    "PARENT_UNKNOWN",       // a block continues one that was never stored anywhere
    "ONLY_IN_EVENTS",       // blocks that the store does not hold
    "ONLY_IN_STORE",        // blocks of which no event spoke
    "OCCUPANCY_DISAGREES",  // as many blocks as the gauge says, or not
    "OFFLOADS_DISAGREE",    // kvbm_offload_* against the blocks stored in a tier
    "EVICTIONS_DISAGREE",   // kvtier_ref_*_evictions against the blocks removed from a tier
};

struct KvTierResidency {
  std::uint64_t stored = 0, removed = 0;  // blocks, over the whole stream
  std::uint64_t removed_absent = 0, stored_present = 0;
  std::uint64_t resident = 0;             // by the events, at the store's moment
  Reading<std::uint64_t> store_resident;  // by the store
  std::uint64_t only_in_events = 0, only_in_store = 0;
  /// The first few of those, ascending, as 16 hex digits.
  std::vector<std::string> examples_only_in_events, examples_only_in_store;
};

inline constexpr const char* kKvResidencyFile = "kv_residency.json";  // in the bundle of a leg

/// kv_residency.json.
struct KvResidencyReport {
  int schema_version = 1;
  /// agree: every check that could be made held, and the store was seen. disagree: there is a
  /// finding. unseen: no finding, and the store could not be asked.
  std::string verdict;
  std::uint64_t batches = 0, events = 0, lost_batches = 0, gaps = 0;
  std::map<std::string, KvTierResidency> tiers;  // device, host_pinned, disk
  std::vector<KvResidencyFinding> findings;
  /// Checks that could not be made, each with its reason.
  std::vector<std::string> unchecked;
};

/// Pure. Counters and gauges are judged only where the events reach from the worker's start
/// (sequence 0) and no offload is pending; `kvtier_ref_*` only where they are there. Of the gauge
/// of the device tier only "not less" holds while requests run: their blocks have no name yet.
KvResidencyReport JudgeKvResidency(const KvResidencyInputs& inputs);

void to_json(nlohmann::json& j, const KvResidencyReport& report);
/// Throws DataError naming `file` and the key.
KvResidencyReport KvResidencyFromJson(const nlohmann::json& j, const std::string& file);

}  // namespace kvtier
