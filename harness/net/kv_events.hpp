#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

/// KV events: what an engine says about the blocks that its tiers gain and lose, in the two forms
/// that Dynamo and the engines below it use. Sources: the custom-engine guide and the ZMQ wire of
/// Dynamo's KV router (engine side), its protocols.rs (router side). One codec for both ends.
namespace kvtier {

/// Where a block lies.
enum class KvMedium { kDevice, kHost, kDisk, kExternal };
inline constexpr KvMedium kKvMedia[] = {KvMedium::kDevice, KvMedium::kHost, KvMedium::kDisk,
                                        KvMedium::kExternal};
/// As KVBM's event consolidator writes it: GPU, CPU_TIER1, CPU_TIER2, EXTERNAL.
std::string_view MediumName(KvMedium medium);
/// GPU and DEVICE; CPU, CPU_PINNED and CPU_TIER1; CPU_TIER2, DISK and NVME; EXTERNAL, NETWORK,
/// REMOTE and SHARED. Anything else is the device, as upstream reads it.
KvMedium MediumOf(std::string_view name);
/// As a router event writes it: device, host_pinned, disk, external.
std::string_view StorageTierName(KvMedium medium);

/// Consecutive full blocks of one sequence that a tier now has.
struct KvStored {
  std::vector<std::uint64_t> block_hashes;  // the engine's identities, in the order of the sequence
  std::optional<std::uint64_t> parent_hash;  // of the block before the first; none at the start
  std::vector<std::uint32_t> token_ids;      // block_size a block
  int block_size = 0;
  KvMedium medium = KvMedium::kDevice;
  std::optional<std::string> lora_name = std::nullopt;
  std::optional<std::string> cache_salt = std::nullopt;
  bool operator==(const KvStored&) const = default;
};
struct KvRemoved {
  std::vector<std::uint64_t> block_hashes;
  KvMedium medium = KvMedium::kDevice;
  bool operator==(const KvRemoved&) const = default;
};
struct KvCleared {
  bool operator==(const KvCleared&) const = default;
};
using KvEvent = std::variant<KvStored, KvRemoved, KvCleared>;

/// One message of the engine's stream.
struct KvEventBatch {
  double timestamp_s = 0;  // Unix time
  std::vector<KvEvent> events;
  std::optional<std::uint32_t> dp_rank = std::nullopt;
};

/// msgpack: [ts, [events as maps with "type"], dp_rank or nil].
std::string EncodeKvEventBatch(const KvEventBatch& batch);
/// Events as maps or, as vLLM sends them, as arrays ["BlockStored", hashes, parent, token_ids,
/// block_size, lora_id, medium, lora_name, ...]. Hashes may be signed. Keys and trailing elements
/// that we do not know are passed over; an event of another type is too. Throws ProtocolError for
/// what is no such message, for a nesting over 16 levels, for token ids that are not block_size a
/// block.
KvEventBatch DecodeKvEventBatch(std::string_view payload);

/// The second of the three frames, and what a replay is asked with: 8 bytes, big-endian.
std::string EncodeKvSequence(std::uint64_t sequence);
/// Throws ProtocolError when it is not 8 bytes.
std::uint64_t DecodeKvSequence(std::string_view frame);

/// Seed of the router's hashes.
inline constexpr std::uint64_t kRouterSeed = 1337;
/// kRouterSeed, wrapping-added XXH3-64(lora name, seed 0) and XXH3-64(cache salt, seed 1); an empty
/// text counts as none.
std::uint64_t RouterSeed(std::string_view lora_name = {}, std::string_view cache_salt = {});
/// XXH3-64 of the block's token ids as little-endian 32-bit words: the `tokens_hash` of a router
/// event.
std::uint64_t TokensHash(std::span<const std::uint32_t> tokens, std::uint64_t seed = kRouterSeed);
/// The next link of a chain: XXH3-64 of (parent, tokens_hash) as two little-endian 64-bit words;
/// the first link is its tokens_hash.
std::uint64_t ChainHash(std::optional<std::uint64_t> parent, std::uint64_t tokens_hash,
                        std::uint64_t seed = kRouterSeed);
/// The tokens_hash of each complete block of `tokens`.
std::vector<std::uint64_t> TokensHashes(std::span<const std::uint32_t> tokens, int block_size,
                                        std::uint64_t seed = kRouterSeed);

}  // namespace kvtier
