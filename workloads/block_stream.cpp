#include "workloads/block_stream.hpp"

#include <xxhash.h>

#include <algorithm>
#include <array>
#include <set>
#include <unordered_map>

#include "workloads/tokens.hpp"

namespace kvtier {
namespace {

template <class Word>
void AppendLittleEndian(std::vector<unsigned char>& bytes, Word word) {
  for (std::size_t i = 0; i < sizeof(Word); ++i)
    bytes.push_back(static_cast<unsigned char>((word >> (8 * i)) & 0xff));
}

template <class Word>
BlockHash HashWords(std::span<const Word> words, std::uint64_t seed) {
  std::vector<unsigned char> bytes;
  bytes.reserve(words.size_bytes());
  for (const Word word : words) AppendLittleEndian(bytes, word);
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

}  // namespace

std::vector<BlockHash> BlockChain(std::span<const std::uint32_t> tokens, int block_tokens,
                                  std::uint64_t salt) {
  const auto size = static_cast<std::size_t>(block_tokens);
  std::vector<BlockHash> chain;
  for (std::size_t at = 0; at + size <= tokens.size(); at += size) {
    const BlockHash own = HashWords(tokens.subspan(at, size), salt);
    const std::array<std::uint64_t, 2> link{chain.empty() ? 0 : chain.back(), own};
    chain.push_back(chain.empty() ? own : HashWords(std::span<const std::uint64_t>(link), salt));
  }
  return chain;
}

std::vector<std::uint32_t> TokensOf(const PlannedRequest& request) {
  return request.token_ids.empty() ? TokenIdsByteLevel(request.prompt) : request.token_ids;
}

BlockStream MakeBlockStream(const Plan& plan, int block_tokens) {
  const auto size = static_cast<std::size_t>(block_tokens);
  BlockStream stream;
  std::unordered_map<BlockHash, BlockId> ids;
  for (const auto& phase : plan.phases) {
    PhaseBlocks& out = stream.phases.emplace_back();
    out.name = phase.name;
    // Who thinks is overtaken by those that are due, also where one request is served at a time.
    const bool overtaken = std::any_of(phase.requests.begin(), phase.requests.end(),
                                       [](const auto& r) { return r.think_time_ns > 0; });
    out.in_flight =
        std::min(static_cast<std::size_t>(std::max(overtaken ? 2 : 1, phase.concurrency)),
                 phase.requests.size());
    for (const auto& request : phase.requests) {
      const auto tokens = TokensOf(request);
      RequestBlocks r;
      r.tokens = tokens.size();
      r.slots = (tokens.size() + static_cast<std::size_t>(std::max(0, request.params.max_tokens)) +
                 size - 1) /
                size;
      r.ends_on_boundary = !tokens.empty() && tokens.size() % size == 0;
      r.device_match_limit = tokens.empty() ? 0 : (tokens.size() - 1) / size;
      for (const BlockHash hash : BlockChain(tokens, block_tokens)) {
        r.blocks.push_back(ids.emplace(hash, static_cast<BlockId>(ids.size())).first->second);
      }
      out.requests.push_back(std::move(r));
    }
  }
  stream.distinct = ids.size();
  return stream;
}

std::uint64_t DistinctBlocks(const BlockStream& stream, const std::string& phase) {
  std::set<BlockId> seen;
  for (const auto& p : stream.phases) {
    if (p.name != phase) continue;
    for (const auto& r : p.requests) seen.insert(r.blocks.begin(), r.blocks.end());
  }
  return seen.size();
}

}  // namespace kvtier
