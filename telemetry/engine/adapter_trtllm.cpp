#include <string>

#include "telemetry/engine/adapter.hpp"

namespace kvtier {
namespace {

const std::vector<std::string> kDevice = {"device", "gpu", "hbm", "g1", "primary"};
const std::vector<std::string> kHost = {"host", "cpu", "dram", "g2", "secondary"};
const std::vector<std::string> kDisk = {"disk", "ssd", "nvme", "g3"};

/// Prompt tokens served from a tier.
Term HitTokens(const std::vector<std::string>& tier) {
  Term term{.names = {"trtllm_prompt_cache_hit_tokens_total"},
            .label = "cache_tier",
            .values = tier,
            .others = {"remote", "object", "g4", "none"}};
  for (const auto* words : {&kDevice, &kHost, &kDisk}) {
    if (*words != tier) term.others.insert(term.others.end(), words->begin(), words->end());
  }
  return term;
}

Word Sum(const std::string& key, std::vector<Term> terms) {
  return {.key = key, .alternatives = {std::move(terms)}, .activity = true};
}

Word Total(const std::string& key, const std::string& base, bool activity = true) {
  return {.key = key,
          .alternatives = {{{.names = {"trtllm_" + base + "_total", "trtllm_" + base}}}},
          .activity = activity};
}

Word Gauge(const std::string& key, const std::string& name) {
  return {.key = key, .kind = Word::Kind::kGauge, .alternatives = {{{.names = {name}}}}};
}

std::vector<Word> Words() {
  return {
      // KVBM's word for what came from below the device.
      Sum("matched_tokens", {HitTokens(kHost), HitTokens(kDisk)}),
      Sum("hit_tokens_g1", {HitTokens(kDevice)}),
      // A page that was prefetched from the disk in time counts as host here.
      Sum("hit_tokens_g2", {HitTokens(kHost)}),
      Sum("hit_tokens_g3", {HitTokens(kDisk)}),
      Total("onboard_g3_to_g2_blocks", "kv_cache_disk_prefetch_blocks"),
      Total("onboard_from_g2_bytes", "kv_cache_onboard_bytes"),
      Total("offload_to_g2_bytes", "kv_cache_offload_bytes"),
      // Extras of the timeline.
      Total("cached_prompt_tokens", "prompt_cached_tokens", false),
      Total("reused_blocks", "kv_cache_reused_blocks", false),
      Total("missed_blocks", "kv_cache_missed_blocks", false),
      Total("device_copy_bytes", "kv_cache_intra_device_copy_bytes", false),
      Gauge("device_hit_rate", "trtllm_kv_cache_hit_rate"),
      Gauge("device_usage", "trtllm_kv_cache_utilization"),
      Gauge("host_usage", "trtllm_kv_cache_host_utilization"),
      Gauge("device_used_blocks", "trtllm_kv_cache_used_blocks"),
      Gauge("device_blocks", "trtllm_kv_cache_max_blocks"),
      Gauge("block_tokens", "trtllm_kv_cache_tokens_per_block"),
  };
}

bool Matches(const SeriesSet& series) {
  return series.HasPrefix("trtllm_") || series.HasPrefix("tensorrt_llm_");
}

}  // namespace

const Adapter& TrtllmAdapter() {
  static const Adapter adapter{
      "trtllm", Matches, Words(),
      "TensorRT-LLM does not export it: below the device it counts tokens and bytes, not blocks, "
      "and no transfer times"};
  return adapter;
}

}  // namespace kvtier
