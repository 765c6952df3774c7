#include "harness/report/phase60_report.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace kvtier {
namespace {

std::string Ms(const std::optional<double>& v) {
  return v ? fmt::format("{:.1f}", *v) : "-";
}

std::string Met(const std::optional<bool>& pass) {
  return !pass ? "-" : *pass ? "yes" : "no";
}

std::string Blocks(const Reading<std::uint64_t>& r) {
  return r.available() ? fmt::format("{}", *r) : "-";
}

std::string RowLine(const Phase60Row& r) {
  return fmt::format("  {:<26} {:<18} {:>10} {:>12} {:>9} {:>9} {:>12} {:>10}\n", r.point_key,
                     SweepStatusName(r.status), Ms(r.ReplayMetricP95()), Ms(r.replay_latency.p95),
                     Met(r.pass_slo_ttfc), Met(r.pass_slo), Blocks(r.mechanism.onboard_d2d),
                     r.error_rate ? fmt::format("{:g}", *r.error_rate) : "-");
}

/// "up to 4 (again at 16)": the second only where a concurrency in between failed.
std::string Reach(int contiguous, int best) {
  if (best == 0) return "at none";
  if (contiguous == best) return fmt::format("up to {}", best);
  return contiguous == 0 ? fmt::format("not from the start, but at {}", best)
                         : fmt::format("up to {}, and again at {}", contiguous, best);
}

std::string SloLine(const char* what, const SweepSlo& slo) {
  if (!slo.limit_ms) return {};
  std::vector<std::string> modes;
  for (const auto& [mode, best] : slo.max_concurrency) {
    if (best) modes.push_back(mode + " " + Reach(slo.max_contiguous.at(mode).value_or(0), *best));
  }
  if (modes.empty()) modes.emplace_back("nothing decided");
  return fmt::format("{} p95 within {:.1f} ms (1.10 x {:.1f}): {}\n", what, *slo.limit_ms,
                     *slo.baseline_ms, fmt::join(modes, "; "));
}

}  // namespace

std::string RenderPhase60(const Phase60Summary& s, const Phase60Paths& paths) {
  std::string text =
      fmt::format("Phase60 sweep {}: {}{}, {}\n\n", s.setup.ts, s.status,
                  s.stop ? " (" + s.stop->reason + ")" : "",
                  s.decision_grade.value_or(false) ? "decision grade" : "not decision grade");
  text +=
      fmt::format("  {:<26} {:<18} {:>10} {:>12} {:>9} {:>9} {:>12} {:>10}\n", "point", "status",
                  "first text", "latency p95", "text ok", "lat. ok", "SSD blocks", "errors");
  for (const Phase60Row& row : s.rows) text += RowLine(row);
  text += "\n";
  if (s.status == "completed") {
    text += SloLine("first text", s.first_text);
    text += SloLine("latency", s.latency);
  }
  if (s.stop) {
    text += fmt::format("stopped at {}: {}\n", s.stop->at.Key(), s.stop->detail);
    text += fmt::format("go on after the cause is gone with BENCH_PHASE60_TS={}\n", s.setup.ts);
  }
  for (const SweepWarning& w : s.warnings) text += fmt::format("{}: {}\n", w.code, w.detail);
  for (const std::string& note : s.notes) text += "note: " + note + "\n";
  text += fmt::format("summary: {}\ntable:   {}\n", paths.Summary().string(),
                      paths.SummaryCsv().string());
  if (s.stop) text += fmt::format("verdict: {}\n", paths.StopVerdict().string());
  return text;
}

}  // namespace kvtier
