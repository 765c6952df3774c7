#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "workloads/block_stream.hpp"

/// Exact LRU hits for every capacity at once (Mattson, Gecsei, Slutz and Traiger 1970).
namespace kvtier {

/// Dense numbers of 64-bit identities in the order of their first sight: a hash table with linear
/// probing, 12 bytes a slot, at most two thirds full.
class BlockNumbers {
 public:
  BlockNumbers();
  /// Throws DataError at 2^32 - 1 identities.
  BlockId Of(std::uint64_t identity);
  std::size_t size() const { return size_; }

 private:
  void Grow();
  std::vector<std::uint64_t> keys_;
  std::vector<BlockId> numbers_;  // kFree where the slot is empty
  std::size_t size_ = 0;
};

/// A set of positions that knows how many of its members lie below another: bits, with a Fenwick
/// tree over groups of 512 of them, so that the tree stays in the nearest caches.
class PositionSet {
 public:
  explicit PositionSet(std::size_t positions);
  void Insert(std::size_t position);
  void Erase(std::size_t position);
  std::size_t Below(std::size_t position) const;
  bool Contains(std::size_t position) const {
    return (bits_[position / 64] >> (position % 64) & 1) != 0;
  }
  std::size_t positions() const { return bits_.size() * 64; }
  std::size_t size() const { return size_; }

 private:
  void Count(std::size_t group, std::uint32_t by);
  std::vector<std::uint64_t> bits_;
  std::vector<std::uint32_t> groups_;
  std::size_t size_ = 0;
};

/// The LRU stack over a stream of requests. A request looks up its blocks in order, then all of
/// them become the most recent, the last one first: so the beginning of a prompt, without which the
/// rest is of no use, is kept longest. Time O(log distinct) a reference, memory linear in distinct
/// blocks: the positions of the stack are numbered anew whenever twice as many as needed are used
/// up.
class StackDistances {
 public:
  StackDistances();
  /// For each block of the longest prefix that was all seen before, the least capacity in blocks
  /// with which an LRU cache answers the prompt from its beginning to this block: the largest stack
  /// distance so far. Ascending. `blocks` are numbers of BlockNumbers. Valid until the next call.
  std::span<const std::uint32_t> Request(std::span<const BlockId> blocks);
  std::size_t distinct() const { return live_.size(); }
  /// Of the stack, used or not: at most twice `distinct`, rounded up.
  std::size_t positions() const { return live_.positions(); }

 private:
  void Touch(BlockId block);
  void Renumber();
  std::vector<std::uint32_t> position_;  // by block; kNowhere before its first use
  std::vector<BlockId> block_at_;        // by position
  PositionSet live_;
  std::size_t next_ = 0;
  std::vector<std::uint32_t> depths_;
};

}  // namespace kvtier
