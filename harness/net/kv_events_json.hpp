#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "harness/net/kv_events.hpp"

namespace kvtier {

/// What Dynamo's router reads of one worker, on NATS as JSON:
/// {"worker_id", "storage_tier", "event": {"event_id", "data", "dp_rank"}} with data
/// {"stored": {"parent_hash", "start_position", "blocks": [{"block_hash", "tokens_hash",
/// "mm_extra_info"}]}}, {"removed": {"block_hashes": []}} or "cleared".
struct RouterBlock {
  std::uint64_t block_hash = 0;   // the engine's: says what is removed later
  std::uint64_t tokens_hash = 0;  // the router's: what is matched
  bool operator==(const RouterBlock&) const = default;
};
struct RouterStored {
  std::optional<std::uint64_t> parent_hash;
  std::vector<RouterBlock> blocks;
  bool operator==(const RouterStored&) const = default;
};
struct RouterRemoved {
  std::vector<std::uint64_t> block_hashes;
  bool operator==(const RouterRemoved&) const = default;
};
struct RouterEvent {
  std::uint64_t worker_id = 0;
  KvMedium tier = KvMedium::kDevice;
  std::uint64_t event_id = 0;  // counts the events of a worker from 0
  std::uint32_t dp_rank = 0;
  std::variant<RouterStored, RouterRemoved, KvCleared> data;
  bool operator==(const RouterEvent&) const = default;
};

/// The engine's event as the router sees it; the tokens are hashed with RouterSeed of its LoRA name
/// and salt.
RouterEvent ToRouterEvent(const KvEvent& event, std::uint64_t worker_id, std::uint64_t event_id,
                          std::uint32_t dp_rank = 0);

std::string EncodeRouterEvent(const RouterEvent& event);
/// storage_tier and dp_rank may be missing (device, 0); keys that we do not know are passed over.
/// Throws ProtocolError.
RouterEvent DecodeRouterEvent(std::string_view text);

/// "namespace.dynamo.component.backend.kv-events"
std::string KvEventSubject(std::string_view namespace_name, std::string_view component);

}  // namespace kvtier
