#include "harness/net/kv_events_json.hpp"

#include <limits>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "harness/core/error.hpp"

namespace kvtier {
namespace {

using nlohmann::json;

constexpr std::size_t kLongestText = 16U << 20;
constexpr int kDeepest = 16;

[[noreturn]] void Bad(const std::string& what) {
  throw ProtocolError("router event: " + what);
}

const json& Need(const json& j, const char* key) {
  if (!j.is_object() || !j.contains(key)) Bad(fmt::format("key {} is missing", key));
  return j[key];
}

std::uint64_t Number(const json& j, const char* key) {
  if (j.is_number_unsigned()) return j.get<std::uint64_t>();
  if (j.is_number_integer()) return static_cast<std::uint64_t>(j.get<std::int64_t>());
  Bad(fmt::format("{} is no whole number", key));
}

const json& Array(const json& j, const char* key) {
  const json& array = Need(j, key);
  if (!array.is_array()) Bad(fmt::format("{} is no array", key));
  return array;
}

RouterStored Stored(const json& j) {
  RouterStored stored;
  if (const json& parent = Need(j, "parent_hash"); !parent.is_null())
    stored.parent_hash = Number(parent, "parent_hash");
  for (const json& block : Array(j, "blocks")) {
    stored.blocks.push_back({Number(Need(block, "block_hash"), "block_hash"),
                             Number(Need(block, "tokens_hash"), "tokens_hash")});
  }
  return stored;
}

RouterRemoved Removed(const json& j) {
  RouterRemoved removed;
  for (const json& hash : Array(j, "block_hashes"))
    removed.block_hashes.push_back(Number(hash, "block_hashes"));
  return removed;
}

KvMedium Tier(const json& j) {
  if (!j.contains("storage_tier")) return KvMedium::kDevice;
  for (const KvMedium medium : kKvMedia) {
    if (j["storage_tier"] == StorageTierName(medium)) return medium;
  }
  Bad("storage_tier is none of device, host_pinned, disk, external");
}

struct ToJson {
  json operator()(const RouterStored& e) const {
    json blocks = json::array();
    for (const RouterBlock& block : e.blocks)
      blocks.push_back({{"block_hash", block.block_hash},
                        {"tokens_hash", block.tokens_hash},
                        {"mm_extra_info", nullptr}});
    json stored{{"parent_hash", nullptr}, {"start_position", nullptr}, {"blocks", blocks}};
    if (e.parent_hash) stored["parent_hash"] = *e.parent_hash;
    return {{"stored", stored}};
  }
  json operator()(const RouterRemoved& e) const {
    return {{"removed", {{"block_hashes", e.block_hashes}}}};
  }
  json operator()(const KvCleared&) const { return "cleared"; }
};

RouterStored StoredOf(const KvStored& e) {
  RouterStored stored;
  stored.parent_hash = e.parent_hash;
  const auto hashes = TokensHashes(e.token_ids, e.block_size,
                                   RouterSeed(e.lora_name.value_or(""), e.cache_salt.value_or("")));
  for (std::size_t i = 0; i < e.block_hashes.size(); ++i)
    stored.blocks.push_back({e.block_hashes[i], hashes.at(i)});
  return stored;
}

}  // namespace

RouterEvent ToRouterEvent(const KvEvent& event, std::uint64_t worker_id, std::uint64_t event_id,
                          std::uint32_t dp_rank) {
  RouterEvent out;
  out.worker_id = worker_id;
  out.event_id = event_id;
  out.dp_rank = dp_rank;
  if (const auto* stored = std::get_if<KvStored>(&event)) {
    out.tier = stored->medium;
    out.data = StoredOf(*stored);
  } else if (const auto* removed = std::get_if<KvRemoved>(&event)) {
    out.tier = removed->medium;
    out.data = RouterRemoved{removed->block_hashes};
  } else {
    out.data = KvCleared{};
  }
  return out;
}

std::string EncodeRouterEvent(const RouterEvent& event) {
  return json{{"worker_id", event.worker_id},
              {"storage_tier", StorageTierName(event.tier)},
              {"event",
               {{"event_id", event.event_id},
                {"data", std::visit(ToJson{}, event.data)},
                {"dp_rank", event.dp_rank}}}}
      .dump();
}

RouterEvent DecodeRouterEvent(std::string_view text) {
  if (text.size() > kLongestText) Bad("longer than 16 MiB");
  // Refuses deep nesting before the value is built: its destruction recurses.
  const json j = json::parse(
      text,
      [](int depth, json::parse_event_t, json&) {
        if (depth > kDeepest) Bad("nested too deep");
        return true;
      },
      false);
  if (!j.is_object()) Bad("it is no JSON object");
  RouterEvent out;
  out.worker_id = Number(Need(j, "worker_id"), "worker_id");
  out.tier = Tier(j);
  const json& event = Need(j, "event");
  out.event_id = Number(Need(event, "event_id"), "event_id");
  if (event.contains("dp_rank")) {
    const std::uint64_t rank = Number(event["dp_rank"], "dp_rank");
    if (rank > std::numeric_limits<std::uint32_t>::max()) Bad("dp_rank exceeds 32 bits");
    out.dp_rank = static_cast<std::uint32_t>(rank);
  }
  const json& data = Need(event, "data");
  if (data == "cleared") {
    out.data = KvCleared{};
  } else if (data.is_object() && data.contains("stored")) {
    out.data = Stored(data["stored"]);
  } else if (data.is_object() && data.contains("removed")) {
    out.data = Removed(data["removed"]);
  } else {
    Bad("data is none of stored, removed, cleared");
  }
  return out;
}

std::string KvEventSubject(std::string_view namespace_name, std::string_view component) {
  return fmt::format("namespace.{}.component.{}.kv-events", namespace_name, component);
}

}  // namespace kvtier
