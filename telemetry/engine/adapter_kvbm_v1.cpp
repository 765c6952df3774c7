#include <string>

#include "telemetry/engine/adapter.hpp"

namespace kvtier {
namespace {

/// Every spelling of a name of KVBM v1 that a release, a prefix setting or a strict client library
/// made of it: kvbm_x (v0.6 on), dynamo_component_x (v0.5), with dynamo_ before it, with _total.
std::vector<std::string> Spellings(const std::string& base) {
  std::vector<std::string> names;
  for (const char* prefix :
       {"kvbm_", "dynamo_kvbm_", "dynamo_component_kvbm_", "dynamo_component_"}) {
    names.push_back(prefix + base);
    names.push_back(prefix + base + "_total");
  }
  return names;
}

// v0.5 gives each metric to the leader and to the worker, told apart by this label.
Term Counted(const std::string& base) {
  return {.names = Spellings(base), .exclusive = "dynamo_namespace"};
}

Word Blocks(const std::string& key, const std::string& base) {
  return {.key = key, .alternatives = {{Counted(base)}}, .activity = true};
}

Word Rate(const std::string& key, const std::string& base) {
  return {.key = key, .kind = Word::Kind::kGauge, .alternatives = {{{.names = Spellings(base)}}}};
}

Word OfReference(const std::string& key, const std::string& base, double scale = 1) {
  return {.key = key, .alternatives = {{{.names = {"kvtier_ref_" + base}, .scale = scale}}}};
}

Word GaugeOfReference(const std::string& key, const std::string& base) {
  Word word = OfReference(key, base);
  word.kind = Word::Kind::kGauge;
  return word;
}

std::vector<Word> Words() {
  std::vector<Word> words = {
      // h2d and d2d mean other things for offload (host to disk, device to disk) than for onboard
      // (host to device, disk to device).
      Blocks("matched_tokens", "matched_tokens"),
      Blocks("offload_g1_to_g2_blocks", "offload_blocks_d2h"),
      Blocks("offload_g2_to_g3_blocks", "offload_blocks_h2d"),
      Blocks("offload_g1_to_g3_blocks", "offload_blocks_d2d"),
      Blocks("onboard_g2_to_g1_blocks", "onboard_blocks_h2d"),
      Blocks("onboard_g3_to_g1_blocks", "onboard_blocks_d2d"),
      Rate("host_hit_rate", "host_cache_hit_rate"),
      Rate("disk_hit_rate", "disk_cache_hit_rate"),
      // Undocumented upstream, read where present; else what our reference stack says.
      {.key = "onboard_from_g3_bytes",
       .alternatives = {{Counted("disk_bytes_read")}, {{.names = {"kvtier_ref_disk_read_bytes"}}}}},
      {.key = "offload_to_g3_bytes",
       .alternatives = {{Counted("disk_bytes_written")},
                        {{.names = {"kvtier_ref_disk_write_bytes"}}}}},
      {.key = "evicted_blocks",
       .alternatives = {{Counted("cache_evictions")},
                        {{.names = {"kvtier_ref_host_evictions"}},
                         {.names = {"kvtier_ref_disk_evictions"}}}}},
      {.key = "failed_transfers",
       .alternatives = {{{.names = {"kvtier_ref_failed_onboards"}},
                         {.names = {"kvtier_ref_failed_offloads"}}}}},
      OfReference("onboard_from_g2_bytes", "host_read_bytes"),
      OfReference("offload_to_g2_bytes", "host_write_bytes"),
      OfReference("onboard_seconds", "disk_read_ns", 1e-9),
      OfReference("offload_seconds", "disk_write_ns", 1e-9),
      // Extras of the timeline.
      {.key = "prefetched_blocks", .alternatives = {{Counted("cache_prefetches")}}},
      OfReference("skipped_offload_blocks", "skipped_offloads"),
      OfReference("filtered_offload_blocks", "filtered_offloads"),
      OfReference("bad_blocks", "bad_blocks"),
      OfReference("device_hit_blocks", "device_hit_blocks"),
      OfReference("computed_prompt_tokens", "prefill_tokens"),
      OfReference("generated_tokens", "decode_tokens"),
      GaugeOfReference("transfers_pending", "offloads_pending"),
      GaugeOfReference("device_used_blocks", "device_used_blocks"),
      GaugeOfReference("host_used_blocks", "host_used_blocks"),
      GaugeOfReference("disk_used_blocks", "disk_used_blocks"),
      GaugeOfReference("requests_running", "requests_running"),
      GaugeOfReference("requests_waiting", "requests_waiting"),
  };
  for (const char* of : {"50", "95", "99"}) {
    words.push_back(
        Rate(std::string("disk_fetch_p") + of + "_ms", std::string("disk_fetch_p") + of + "_ms"));
  }
  return words;
}

bool Matches(const SeriesSet& series) {
  if (series.HasPrefix("kvbm_") || series.HasPrefix("dynamo_kvbm_")) return true;
  // dynamo_component_ is also the prefix of every Dynamo runtime metric.
  for (const char* base :
       {"matched_tokens", "offload_blocks_d2h", "onboard_blocks_h2d", "onboard_blocks_d2d"}) {
    for (const auto& name : Spellings(base)) {
      if (series.Find(name) != nullptr) return true;
    }
  }
  return false;
}

}  // namespace

const Adapter& KvbmV1Adapter() {
  static const Adapter adapter{
      "kvbm_v1", Matches, Words(),
      "KVBM v1 does not export it; kvbm-engine (v2) or the engine's own offload may"};
  return adapter;
}

}  // namespace kvtier
