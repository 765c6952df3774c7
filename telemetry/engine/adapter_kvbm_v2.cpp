#include <string>

#include "telemetry/engine/adapter.hpp"

namespace kvtier {
namespace {

std::vector<std::string> Spellings(const std::string& base) {
  return {"kvbm_" + base, "kvbm_" + base + "_total"};
}

Word Count(const std::string& key, const std::string& base) {
  return {.key = key, .alternatives = {{{.names = Spellings(base)}}}, .activity = true};
}

Word Extra(const std::string& key, const std::string& base) {
  return {.key = key, .alternatives = {{{.names = Spellings(base)}}}};
}

/// Of a metric per operation the onboards or the offloads.
Word Operation(const std::string& key, const std::string& name, bool onboard) {
  const std::vector<std::string> on = {"onboard"}, off = {"offload"};
  std::vector<std::string> others = onboard ? off : on;
  others.insert(others.end(), {"search", "lookup", "stage", "staging"});
  return {.key = key,
          .alternatives = {{{.names = {name},
                             .label = "operation",
                             .values = onboard ? on : off,
                             .others = others}}}};
}

Word HitBlocks(const std::string& key, bool host) {
  const std::vector<std::string> on_host = {"host", "g2", "cpu"}, on_disk = {"disk", "g3"};
  std::vector<std::string> others = host ? on_disk : on_host;
  others.insert(others.end(), {"device", "g1", "gpu", "object", "g4", "remote"});
  return {.key = key,
          .alternatives = {{{.names = Spellings("cache_blocks_hit"),
                             .label = "tier",
                             .values = host ? on_host : on_disk,
                             .others = others}}},
          .activity = true};
}

Word Gauge(const std::string& key, const std::string& name) {
  return {.key = key, .kind = Word::Kind::kGauge, .alternatives = {{{.names = {name}}}}};
}

std::vector<Word> Words() {
  std::vector<Word> words = {
      Count("matched_tokens", "matched_tokens"),
      Count("offload_g1_to_g2_blocks", "offload_blocks_d2h"),
      Count("offload_g2_to_g3_blocks", "offload_blocks_h2d"),
      Count("offload_g1_to_g3_blocks", "offload_blocks_d2d"),
      Count("onboard_g2_to_g1_blocks", "onboard_blocks_h2d"),
      Count("onboard_g3_to_g1_blocks", "onboard_blocks_d2d"),
      // New in v2, and a third meaning of d2h: disk to host, the staging of an onboard.
      Count("onboard_g3_to_g2_blocks", "onboard_blocks_d2h"),
      Gauge("host_hit_rate", "kvbm_host_cache_hit_rate"),
      Gauge("disk_hit_rate", "kvbm_disk_cache_hit_rate"),
      Extra("evicted_blocks", "evictions"),
      Extra("failed_transfers", "transfer_failures"),
      Operation("onboard_seconds", "kvbm_transfer_duration_seconds_sum", true),
      Operation("offload_seconds", "kvbm_transfer_duration_seconds_sum", false),
      // Extras of the timeline.
      Operation("onboard_transfers", "kvbm_transfer_duration_seconds_count", true),
      Operation("offload_transfers", "kvbm_transfer_duration_seconds_count", false),
      HitBlocks("host_hit_blocks", true),
      HitBlocks("disk_hit_blocks", false),
      Extra("allocated_blocks", "allocations"),
      Extra("registered_blocks", "registrations"),
      Extra("duplicate_blocks", "duplicate_blocks"),
      Extra("staged_blocks", "stagings"),
      Extra("looked_up_blocks", "match_hashes_requested"),
      Extra("found_blocks", "match_blocks_returned"),
      Gauge("onboards_pending", "kvbm_inflight_onboard_hashes"),
  };
  Word pending = Operation("transfers_pending", "kvbm_transfer_inflight", false);
  pending.kind = Word::Kind::kGauge;
  words.push_back(std::move(pending));
  return words;
}

bool Matches(const SeriesSet& series) {
  for (const char* base :
       {"onboard_blocks_d2h", "cache_blocks_hit", "transfer_failures", "allocations", "evictions",
        "registrations", "match_hashes_requested", "inflight_onboard_hashes", "transfer_inflight",
        "transfer_duration_seconds_count", "inflight_mutable"}) {
    for (const auto& name : Spellings(base)) {
      if (series.Find(name) != nullptr) return true;
    }
  }
  return false;
}

}  // namespace

const Adapter& KvbmV2Adapter() {
  static const Adapter adapter{
      "kvbm_v2", Matches, Words(),
      "KVBM v2 does not export it: it counts blocks and seconds, no bytes and no tokens a tier"};
  return adapter;
}

}  // namespace kvtier
