#include "harness/net/kv_events.hpp"

#include <xxhash.h>

#include <algorithm>
#include <array>
#include <bit>
#include <limits>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "harness/core/error.hpp"

namespace kvtier {
namespace {

using nlohmann::json;

static_assert(std::endian::native == std::endian::little,
              "token ids and links are hashed as little-endian words");

constexpr int kDeepest = 16;
constexpr std::array<std::pair<std::string_view, KvMedium>, 12> kMediumNames{{
    {"GPU", KvMedium::kDevice},
    {"DEVICE", KvMedium::kDevice},
    {"CPU_TIER1", KvMedium::kHost},
    {"CPU", KvMedium::kHost},
    {"CPU_PINNED", KvMedium::kHost},
    {"CPU_TIER2", KvMedium::kDisk},
    {"DISK", KvMedium::kDisk},
    {"NVME", KvMedium::kDisk},
    {"EXTERNAL", KvMedium::kExternal},
    {"NETWORK", KvMedium::kExternal},
    {"REMOTE", KvMedium::kExternal},
    {"SHARED", KvMedium::kExternal},
}};

[[noreturn]] void Bad(const std::string& what) {
  throw ProtocolError("KV events: " + what);
}

/// The library parses by recursion: hostile nesting is refused before it does.
struct NestingLimit : json::json_sax_t {
  int depth = 0;
  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(json::number_integer_t) override { return true; }
  bool number_unsigned(json::number_unsigned_t) override { return true; }
  bool number_float(json::number_float_t, const json::string_t&) override { return true; }
  bool string(json::string_t&) override { return true; }
  bool binary(json::binary_t&) override { return true; }
  bool start_object(std::size_t) override { return ++depth <= kDeepest; }
  bool key(json::string_t&) override { return true; }
  bool end_object() override { return depth-- > 0; }
  bool start_array(std::size_t) override { return ++depth <= kDeepest; }
  bool end_array() override { return depth-- > 0; }
  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception&) override {
    return false;
  }
};

json ParseMsgpack(std::string_view payload) {
  NestingLimit limit;
  if (!json::sax_parse(payload.begin(), payload.end(), &limit, json::input_format_t::msgpack))
    Bad("the payload is no msgpack, or nested too deep");
  return json::from_msgpack(payload.begin(), payload.end(), true, false);
}

/// An event of either form: its fields by name.
class Fields {
 public:
  /// `names`: the fields of the array form, behind the type.
  Fields(const json& event, std::span<const char* const> names) : event_(event), names_(names) {}

  /// Null when it is nil or not there.
  const json* Find(const char* name) const {
    const json* found = nullptr;
    if (event_.is_object()) {
      const auto it = event_.find(name);
      if (it != event_.end()) found = &*it;
    } else {
      const auto at =
          std::find_if(names_.begin(), names_.end(), [&](std::string_view n) { return n == name; });
      const auto index = static_cast<std::size_t>(at - names_.begin()) + 1;
      if (at != names_.end() && index < event_.size()) found = &event_[index];
    }
    return found != nullptr && found->is_null() ? nullptr : found;
  }
  const json& Need(const char* name) const {
    const json* found = Find(name);
    if (found == nullptr) Bad(fmt::format("an event has no {}", name));
    return *found;
  }

 private:
  const json& event_;
  std::span<const char* const> names_;
};

std::uint64_t Hash(const json& j, const char* name) {
  if (j.is_number_unsigned()) return j.get<std::uint64_t>();
  if (j.is_number_integer()) return static_cast<std::uint64_t>(j.get<std::int64_t>());
  Bad(fmt::format("{} is no whole number", name));
}

std::vector<std::uint64_t> Hashes(const json& j) {
  if (!j.is_array()) Bad("block_hashes is no array");
  std::vector<std::uint64_t> hashes;
  for (const json& hash : j) hashes.push_back(Hash(hash, "a block hash"));
  return hashes;
}

std::vector<std::uint32_t> Tokens(const json& j) {
  if (!j.is_array()) Bad("token_ids is no array");
  std::vector<std::uint32_t> tokens;
  for (const json& token : j) {
    const std::uint64_t value = Hash(token, "a token id");
    if (value > std::numeric_limits<std::uint32_t>::max()) Bad("a token id exceeds 32 bits");
    tokens.push_back(static_cast<std::uint32_t>(value));
  }
  return tokens;
}

std::optional<std::string> Word(const json* j) {
  if (j == nullptr) return std::nullopt;
  if (!j->is_string()) Bad("a medium, LoRA name or salt is no text");
  return j->get<std::string>();
}

KvMedium Medium(const json* j) {
  return MediumOf(Word(j).value_or(""));
}

KvStored Stored(const json& event) {
  static constexpr const char* kNames[] = {"block_hashes", "parent_block_hash", "token_ids",
                                           "block_size",   "lora_id",           "medium",
                                           "lora_name"};
  const Fields fields(event, kNames);
  KvStored stored;
  stored.block_hashes = Hashes(fields.Need("block_hashes"));
  if (const json* parent = fields.Find("parent_block_hash"))
    stored.parent_hash = Hash(*parent, "parent_block_hash");
  stored.token_ids = Tokens(fields.Need("token_ids"));
  const std::uint64_t size = Hash(fields.Need("block_size"), "block_size");
  constexpr std::uint64_t kLargestBlock = 1U << 20;
  if (size == 0 || size > kLargestBlock) Bad("block_size is not between 1 and 2^20");
  stored.block_size = static_cast<int>(size);
  if (stored.token_ids.size() != stored.block_hashes.size() * size)
    Bad(fmt::format("{} token ids for {} blocks of {}", stored.token_ids.size(),
                    stored.block_hashes.size(), size));
  stored.medium = Medium(fields.Find("medium"));
  stored.lora_name = Word(fields.Find("lora_name"));
  stored.cache_salt = Word(fields.Find("cache_salt"));
  return stored;
}

KvRemoved Removed(const json& event) {
  static constexpr const char* kNames[] = {"block_hashes", "medium"};
  const Fields fields(event, kNames);
  return {Hashes(fields.Need("block_hashes")), Medium(fields.Find("medium"))};
}

/// Empty for a type that a later engine may have invented.
std::optional<KvEvent> Event(const json& j) {
  const json* type = nullptr;
  if (j.is_object() && j.contains("type")) type = &j["type"];
  if (j.is_array() && !j.empty()) type = &j[0];
  if (type == nullptr || !type->is_string()) Bad("an event has no type");
  const auto& name = type->get_ref<const std::string&>();
  if (name == "BlockStored") return Stored(j);
  if (name == "BlockRemoved") return Removed(j);
  if (name == "AllBlocksCleared") return KvCleared{};
  return std::nullopt;
}

struct ToWire {
  json operator()(const KvStored& e) const {
    json j{{"type", "BlockStored"},         {"block_hashes", e.block_hashes},
           {"parent_block_hash", nullptr},  {"token_ids", e.token_ids},
           {"block_size", e.block_size},    {"lora_name", nullptr},
           {"medium", MediumName(e.medium)}};
    if (e.parent_hash) j["parent_block_hash"] = *e.parent_hash;
    if (e.lora_name) j["lora_name"] = *e.lora_name;
    if (e.cache_salt) j["cache_salt"] = *e.cache_salt;
    return j;
  }
  json operator()(const KvRemoved& e) const {
    return {{"type", "BlockRemoved"},
            {"block_hashes", e.block_hashes},
            {"medium", MediumName(e.medium)}};
  }
  json operator()(const KvCleared&) const { return {{"type", "AllBlocksCleared"}}; }
};

}  // namespace

std::string_view MediumName(KvMedium medium) {
  const auto it = std::find_if(kMediumNames.begin(), kMediumNames.end(),
                               [&](const auto& known) { return known.second == medium; });
  return it->first;
}

KvMedium MediumOf(std::string_view name) {
  for (const auto& [known, medium] : kMediumNames) {
    if (name == known) return medium;
  }
  return KvMedium::kDevice;
}

std::string_view StorageTierName(KvMedium medium) {
  switch (medium) {
    case KvMedium::kHost:
      return "host_pinned";
    case KvMedium::kDisk:
      return "disk";
    case KvMedium::kExternal:
      return "external";
    case KvMedium::kDevice:
      break;
  }
  return "device";
}

std::string EncodeKvEventBatch(const KvEventBatch& batch) {
  json events = json::array();
  for (const KvEvent& event : batch.events) events.push_back(std::visit(ToWire{}, event));
  json message = json::array({batch.timestamp_s, std::move(events), nullptr});
  if (batch.dp_rank) message[2] = *batch.dp_rank;
  std::string bytes;
  json::to_msgpack(message, bytes);
  return bytes;
}

KvEventBatch DecodeKvEventBatch(std::string_view payload) {
  const json j = ParseMsgpack(payload);
  if (!j.is_array() || j.size() < 2 || !j[0].is_number() || !j[1].is_array())
    Bad("the payload is not [ts, [events], data_parallel_rank]");
  KvEventBatch batch;
  batch.timestamp_s = j[0].get<double>();
  for (const json& event : j[1]) {
    if (auto known = Event(event)) batch.events.push_back(*std::move(known));
  }
  if (j.size() > 2 && !j[2].is_null()) {
    const std::uint64_t rank = Hash(j[2], "data_parallel_rank");
    if (rank > std::numeric_limits<std::uint32_t>::max()) Bad("data_parallel_rank exceeds 32 bits");
    batch.dp_rank = static_cast<std::uint32_t>(rank);
  }
  return batch;
}

std::string EncodeKvSequence(std::uint64_t sequence) {
  std::string frame(8, '\0');
  for (std::size_t i = 0; i < frame.size(); ++i)
    frame[i] = static_cast<char>((sequence >> (8 * (7 - i))) & 0xff);
  return frame;
}

std::uint64_t DecodeKvSequence(std::string_view frame) {
  if (frame.size() != 8) Bad(fmt::format("a sequence frame has {} bytes, not 8", frame.size()));
  std::uint64_t sequence = 0;
  for (const char c : frame) sequence = (sequence << 8) | static_cast<unsigned char>(c);
  return sequence;
}

std::uint64_t RouterSeed(std::string_view lora_name, std::string_view cache_salt) {
  std::uint64_t seed = kRouterSeed;
  if (!lora_name.empty()) seed += XXH3_64bits_withSeed(lora_name.data(), lora_name.size(), 0);
  if (!cache_salt.empty()) seed += XXH3_64bits_withSeed(cache_salt.data(), cache_salt.size(), 1);
  return seed;
}

std::uint64_t TokensHash(std::span<const std::uint32_t> tokens, std::uint64_t seed) {
  return XXH3_64bits_withSeed(tokens.data(), tokens.size_bytes(), seed);
}

std::uint64_t ChainHash(std::optional<std::uint64_t> parent, std::uint64_t tokens_hash,
                        std::uint64_t seed) {
  if (!parent) return tokens_hash;
  const std::array<std::uint64_t, 2> link{*parent, tokens_hash};
  return XXH3_64bits_withSeed(link.data(), sizeof(link), seed);
}

std::vector<std::uint64_t> TokensHashes(std::span<const std::uint32_t> tokens, int block_size,
                                        std::uint64_t seed) {
  const auto size = static_cast<std::size_t>(block_size);
  std::vector<std::uint64_t> hashes;
  for (std::size_t at = 0; at + size <= tokens.size(); at += size)
    hashes.push_back(TokensHash(tokens.subspan(at, size), seed));
  return hashes;
}

}  // namespace kvtier
