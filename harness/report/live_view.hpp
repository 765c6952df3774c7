#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "harness/core/clock.hpp"
#include "harness/core/tier.hpp"

namespace kvtier {

/// Where an experiment stands, as plain values. Whatever is not known yet is empty and left out of
/// the line.
struct LiveState {
  std::string title;  // "phase70"
  std::optional<int> pair, pairs;
  std::optional<int> leg;  // 1 or 2
  std::optional<TierMode> mode;
  std::string phase;  // "preflight", "populate", ..., "drain"
  int done = 0, planned = 0, ok = 0, errors = 0;
  std::optional<double> ttfc_p50_ms;
  std::optional<std::uint64_t> host_blocks, disk_blocks;  // onboarded so far in this phase
  std::optional<std::uint64_t> disk_written_blocks;
  std::optional<double> eta_s;
  std::string note;  // "waiting for offloads to settle"
};

/// One line, no newline, no escape sequences; cut to `width` columns when that is not 0.
std::string RenderLive(const LiveState& state, int width = 0);
/// The line for a log: what the phase that ended did.
std::string RenderPhaseEnd(const LiveState& state, double seconds);

/// Writes progress: on a terminal one line that is rewritten at most once a second; elsewhere one
/// line a phase and no escape sequence at all.
class LiveView {
 public:
  struct Options {
    bool terminal = false;
    int width = 100;
    std::function<MonoNs()> now = NowMono;
    std::function<void(std::string_view)> write;  // bytes as they are to appear
  };
  explicit LiveView(Options options);
  /// To the descriptor in KVTIER_LIVE_FD where that is set and open, else to stdout (phase lines
  /// only, as ctest keeps it).
  static LiveView FromEnvironment();

  /// Cheap: renders only when a second has passed or the phase changed.
  void Update(const LiveState& state);
  /// Ends a phase that took `seconds`: its line stays.
  void PhaseEnd(const LiveState& state, double seconds);
  /// A line of its own that stays.
  void Line(const std::string& text);

 private:
  void ClearLine();
  Options options_;
  std::optional<MonoNs> last_;
  std::string phase_key_;
  bool line_open_ = false;
};

}  // namespace kvtier
