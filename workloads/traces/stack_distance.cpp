#include "workloads/traces/stack_distance.hpp"

#include <algorithm>
#include <bit>
#include <limits>

#include "harness/core/error.hpp"

namespace kvtier {
namespace {

constexpr BlockId kFree = std::numeric_limits<BlockId>::max();
constexpr std::uint32_t kNowhere = std::numeric_limits<std::uint32_t>::max();
constexpr std::size_t kGroup = 512;  // positions
constexpr std::size_t kWordsOfGroup = kGroup / 64;
constexpr std::size_t kFewest = 4096;

/// splitmix64's finaliser: identities of a trace are often 0, 1, 2, ...
std::uint64_t Scatter(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

}  // namespace

BlockNumbers::BlockNumbers() : keys_(kFewest), numbers_(kFewest, kFree) {}

BlockId BlockNumbers::Of(std::uint64_t identity) {
  const std::size_t mask = keys_.size() - 1;
  std::size_t at = Scatter(identity) & mask;
  for (; numbers_[at] != kFree; at = (at + 1) & mask) {
    if (keys_[at] == identity) return numbers_[at];
  }
  if (size_ >= kFree) throw DataError("the trace has more distinct blocks than can be numbered");
  const auto number = static_cast<BlockId>(size_++);
  keys_[at] = identity;
  numbers_[at] = number;
  if (size_ * 3 > keys_.size() * 2) Grow();
  return number;
}

void BlockNumbers::Grow() {
  std::vector<std::uint64_t> keys(keys_.size() * 2);
  std::vector<BlockId> numbers(keys.size(), kFree);
  const std::size_t mask = keys.size() - 1;
  for (std::size_t i = 0; i < keys_.size(); ++i) {
    if (numbers_[i] == kFree) continue;
    std::size_t at = Scatter(keys_[i]) & mask;
    while (numbers[at] != kFree) at = (at + 1) & mask;
    keys[at] = keys_[i];
    numbers[at] = numbers_[i];
  }
  keys_ = std::move(keys);
  numbers_ = std::move(numbers);
}

PositionSet::PositionSet(std::size_t positions)
    : bits_((positions + kGroup - 1) / kGroup * kWordsOfGroup, 0),
      groups_(bits_.size() / kWordsOfGroup + 1, 0) {}

void PositionSet::Count(std::size_t group, std::uint32_t by) {
  for (std::size_t i = group + 1; i < groups_.size(); i += i & (~i + 1)) groups_[i] += by;
}

void PositionSet::Insert(std::size_t position) {
  bits_[position / 64] |= std::uint64_t{1} << (position % 64);
  Count(position / kGroup, 1);
  ++size_;
}

void PositionSet::Erase(std::size_t position) {
  bits_[position / 64] &= ~(std::uint64_t{1} << (position % 64));
  Count(position / kGroup, ~std::uint32_t{0});  // -1, modulo 2^32
  --size_;
}

std::size_t PositionSet::Below(std::size_t position) const {
  std::uint32_t sum = 0;
  for (std::size_t i = position / kGroup; i > 0; i -= i & (~i + 1)) sum += groups_[i];
  const std::size_t word = position / 64;
  std::size_t count = sum;
  for (std::size_t i = position / kGroup * kWordsOfGroup; i < word; ++i)
    count += static_cast<std::size_t>(std::popcount(bits_[i]));
  const std::uint64_t lower = (std::uint64_t{1} << (position % 64)) - 1;
  return count + static_cast<std::size_t>(std::popcount(bits_[word] & lower));
}

StackDistances::StackDistances() : block_at_(kFewest), live_(kFewest) {}

std::span<const std::uint32_t> StackDistances::Request(std::span<const BlockId> blocks) {
  depths_.clear();
  std::uint32_t deepest = 0;
  for (const BlockId block : blocks) {
    if (block >= position_.size() || position_[block] == kNowhere) break;
    const auto depth = static_cast<std::uint32_t>(live_.size() - live_.Below(position_[block]));
    depths_.push_back(deepest = std::max(deepest, depth));
  }
  for (std::size_t i = blocks.size(); i-- > 0;) Touch(blocks[i]);
  return depths_;
}

void StackDistances::Touch(BlockId block) {
  if (next_ == live_.positions()) Renumber();
  if (block >= position_.size()) position_.resize(std::size_t{block} + 1, kNowhere);
  if (position_[block] != kNowhere) live_.Erase(position_[block]);
  live_.Insert(next_);
  block_at_[next_] = block;
  position_[block] = static_cast<std::uint32_t>(next_++);
}

void StackDistances::Renumber() {
  std::vector<BlockId> order;
  order.reserve(live_.size());
  for (std::size_t i = 0; i < next_; ++i) {
    if (live_.Contains(i)) order.push_back(block_at_[i]);
  }
  live_ = PositionSet(std::max(kFewest, 2 * order.size()));
  block_at_.assign(live_.positions(), 0);
  next_ = 0;
  for (const BlockId block : order) {
    live_.Insert(next_);
    block_at_[next_] = block;
    position_[block] = static_cast<std::uint32_t>(next_++);
  }
}

}  // namespace kvtier
