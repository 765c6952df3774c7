#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "harness/core/tier.hpp"
#include "harness/judge/reason.hpp"
#include "harness/net/exchange.hpp"

namespace kvtier {

struct HarnessMetricsOptions {
  /// Of the scrape endpoint; 0: any free one. Empty: nothing listens.
  std::optional<std::uint16_t> port;
  /// An IPv4 address of this machine, or an IPv6 one in brackets. Anything but loopback is the
  /// user's explicit choice: the endpoint has no authentication.
  std::string bind_address = "127.0.0.1";
  /// Labels of kvtier_harness_build_info: "version", "compiler", ... Names that Prometheus does not
  /// allow as labels are a ConfigError.
  std::map<std::string, std::string> build;
};

/// What a recorder did in some time.
struct RecorderTotals {
  std::uint64_t ticks_due = 0, ticks_missed = 0, rows = 0;
  double cpu_s = 0;
};

/// What kvtier does itself, for a Prometheus of one's own:
///   kvtier_harness_build_info{...}                    1
///   kvtier_harness_phase_info{tier,phase}             gauge, 1 for the phase that runs, 0 for past
///                                                     ones
///   kvtier_harness_requests_total{phase,outcome}      counter, every outcome of a phase from its
///                                                     beginning
///   kvtier_harness_ttfc_seconds{phase}                histogram of requests that were ok
///   kvtier_harness_legs_total{tier,valid}             counter
///   kvtier_harness_recorder_ticks_due_total, _ticks_missed_total, _rows_total, _cpu_seconds_total
///   kvtier_harness_source_unavailable{source}         gauge, 1 while the source cannot be read
///   kvtier_harness_findings_total{code,severity}      counter
/// No rule reads these and nothing is stored: they show a run that is going on. All functions may
/// be called from any thread; Request() takes no lock of ours and makes no labels.
class HarnessMetrics {
 public:
  /// Begins to listen. Throws ConfigError when the port is taken, naming its owner, or when the
  /// address cannot be bound.
  explicit HarnessMetrics(HarnessMetricsOptions options = {});
  /// Stops listening; takes up to 2 s, the interval at which its server looks for the end.
  ~HarnessMetrics();
  HarnessMetrics(const HarnessMetrics&) = delete;
  HarnessMetrics& operator=(const HarnessMetrics&) = delete;

  /// The port that is listened on; empty when there is none.
  std::optional<std::uint16_t> port() const;
  /// "http://127.0.0.1:9464/metrics"; empty when nothing listens.
  std::string url() const;

  /// Requests count for this phase from now on.
  void BeginPhase(TierMode tier, const std::string& phase);
  /// No phase runs. Requests that end later still count for the last one.
  void EndPhase();
  /// A request has ended; before the first phase they are counted for the phase "none". `ttfc_s` in
  /// seconds, only of requests that have one; it is observed where the outcome is kOk.
  void Request(Outcome outcome, std::optional<double> ttfc_s);
  void LegEnded(TierMode tier, bool valid);
  void CountFinding(const Finding& finding);
  void SetSource(const std::string& source, bool available);
  /// What the recorder did since the last call.
  void AddRecorder(const RecorderTotals& more);

  /// What a scrape gives, in the text format 0.0.4.
  std::string Render() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace kvtier
