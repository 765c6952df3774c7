#include <string>

#include "telemetry/engine/adapter.hpp"

namespace kvtier {
namespace {

/// prometheus_client appends _total to counters whose name has none.
std::vector<std::string> Spellings(const std::string& base) {
  return {"vllm:" + base + "_total", "vllm:" + base};
}

Word Count(const std::string& key, const std::string& base, bool activity = true) {
  return {.key = key, .alternatives = {{{.names = Spellings(base)}}}, .activity = activity};
}

/// Between GPU and CPU, one way.
Word Moved(const std::string& key, const std::string& base, bool onboard) {
  const std::string to_cpu = "gpu_to_cpu", to_gpu = "cpu_to_gpu";
  return {.key = key,
          .alternatives = {{{.names = Spellings(base),
                             .label = "transfer_type",
                             .values = {onboard ? to_gpu : to_cpu},
                             .others = {onboard ? to_cpu : to_gpu}}}},
          .activity = true};
}

/// Between CPU and the tier below it that is a file system or a disk.
Word Tiering(const std::string& key, const std::string& base) {
  return {.key = key,
          .alternatives = {{{.names = Spellings("kv_offload_tiering_" + base),
                             .label = "tier",
                             .values = {"disk", "fs", "file", "filesystem", "ssd", "nvme", "g3"},
                             .others = {"object", "obj", "s3", "remote", "p2p", "g4"}}}},
          .activity = true};
}

std::vector<Word> Words() {
  return {
      // Tokens that a KV connector served instead of computing them.
      Count("matched_tokens", "external_prefix_cache_hits"),
      Count("prompt_tokens", "prefix_cache_queries", false),
      Count("hit_tokens_g1", "prefix_cache_hits"),
      Moved("offload_to_g2_bytes", "kv_offload_total_bytes", false),
      Moved("onboard_from_g2_bytes", "kv_offload_total_bytes", true),
      Moved("offload_seconds", "kv_offload_total_time", false),
      Moved("onboard_seconds", "kv_offload_total_time", true),
      Tiering("offload_to_g3_bytes", "write_bytes"),
      Tiering("onboard_from_g3_bytes", "read_bytes"),
      Count("evicted_blocks", "kv_offload_block_eviction", false),
      {.key = "failed_transfers",
       .alternatives = {{{.names = Spellings("kv_offload_tiering_promotion_job_failures")},
                         {.names = Spellings("kv_offload_tiering_cascade_job_failures")}}}},
      // Extras of the timeline.
      Tiering("disk_write_seconds", "write_time"),
      Tiering("disk_read_seconds", "read_time"),
      Tiering("disk_looked_up_blocks", "block_queries"),
      Tiering("disk_hit_blocks", "block_hits"),
      Count("host_looked_up_blocks", "kv_offload_cpu_block_lookup", false),
      Count("host_hit_blocks", "kv_offload_cpu_block_hit"),
      Count("skipped_offload_blocks", "kv_offload_stores_skipped", false),
      Count("looked_up_tokens", "external_prefix_cache_queries", false),
      {.key = "host_usage",
       .kind = Word::Kind::kGauge,
       .alternatives = {{{.names = {"vllm:kv_offload_cpu_cache_usage_perc"}}}}},
  };
}

bool Matches(const SeriesSet& series) {
  return series.HasPrefix("vllm:");
}

}  // namespace

const Adapter& VllmAdapter() {
  static const Adapter adapter{
      "vllm", Matches, Words(),
      "vLLM does not export it: below the device it counts bytes and seconds, not blocks, and no "
      "tokens a tier"};
  return adapter;
}

}  // namespace kvtier
