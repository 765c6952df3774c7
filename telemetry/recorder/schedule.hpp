#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "harness/core/clock.hpp"

namespace kvtier {

/// When which source is due, and how many ticks were missed. A tick is missed when it had not begun
/// one cadence after it was due; it is not made up for, so that a stall costs ticks and not a burst
/// of late ones.
class Schedule {
 public:
  /// The first tick of every source is due at `start`. A cadence of 0 is never due.
  Schedule(std::vector<std::chrono::milliseconds> cadences, MonoNs start);

  /// When the next source is due; a day after `start` when none ever is.
  MonoNs NextDue() const;
  /// Begins the tick of the next source that is due at `now` and returns its place; -1 when none
  /// is.
  int Begin(MonoNs now);
  /// The tick of `place` took so long that it endangers the others: its cadence doubles, to at most
  /// eight times what was asked. Well(place) restores it.
  void Stretch(int place);
  void Well(int place);

  struct Tally {
    std::uint64_t due = 0;
    std::uint64_t missed = 0;
    std::chrono::nanoseconds worst_delay{0};  // between due and begun
  };
  /// Since the last call.
  Tally Take();

 private:
  struct Entry {
    std::int64_t cadence = 0;  // ns
    std::int64_t stretch = 1;
    MonoNs due = 0;
  };
  std::vector<Entry> entries_;
  MonoNs start_ = 0;
  Tally tally_;
};

}  // namespace kvtier
