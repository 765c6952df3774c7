#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "harness/report/pack/pack_sections.hpp"
#include "harness/report/phase70_report.hpp"
#include "harness/report/setting_variable.hpp"

namespace kvtier {
namespace {

/// In single quotes for a POSIX shell; bare where nothing needs them.
std::string ShellQuoted(const std::string& text) {
  constexpr std::string_view kBare =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:,-";
  if (!text.empty() && text.find_first_not_of(kBare) == std::string::npos) return text;
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'') {
      out += "'\\''";
    } else {
      out += c == '\n' || c == '\r' ? ' ' : c;
    }
  }
  return out + "'";
}

bool IsEnvironmentName(const std::string& origin) {
  return (origin.starts_with("BENCH_") || origin.starts_with("KVTIER_") ||
          origin.starts_with("DYN_") || origin == "MODEL_NAME") &&
         origin.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == std::string::npos;
}

/// The name of the profile: settings from a file say "<folder>/<name>.yaml:<line>". Empty: none
/// did.
std::string ProfileFile(const std::vector<SettingValue>& settings) {
  constexpr std::string_view kEnding = ".yaml:";
  for (const auto& s : settings) {
    const auto end = s.origin.rfind(kEnding);
    if (end == std::string::npos) continue;
    const auto slash = s.origin.rfind('/', end);
    const auto begin = slash == std::string::npos ? 0 : slash + 1;
    return s.origin.substr(begin, end - begin);
  }
  return "";
}

/// By a variable, a flag, or a command that chose it (`campaign <ts>: the sweep recommends 4`).
bool WasGiven(const SettingValue& s) {
  return IsEnvironmentName(s.origin) || s.origin.starts_with("--") ||
         s.origin.starts_with("campaign ");
}

std::string Joined(const std::map<std::string, std::string>& values, const char* otherwise) {
  std::vector<std::string> parts;
  for (const auto& [key, value] : values) parts.push_back(key + " " + value);
  return parts.empty() ? otherwise : fmt::format("{}", fmt::join(parts, "; "));
}

std::string PhasesText(const PackInput& in) {
  if (!in.config) return "";
  std::vector<std::string> phases;
  for (const auto& p : in.config->phases)
    phases.push_back(
        fmt::format("{} ({} requests at concurrency {})", p.name, p.requests, p.concurrency));
  return phases.empty() ? "" : fmt::format("Phases of a leg: {}.", fmt::join(phases, ", "));
}

}  // namespace

std::string ReproductionCommands(const PackInput& in) {
  const auto& m = in.manifest;
  std::string out = "# from a clone of kvtier";
  if (in.config) {
    const auto& versions = in.config->versions;
    if (const auto sha = versions.find("git_sha"); sha != versions.end())
      out += fmt::format("\ngit checkout {}", ShellQuoted(sha->second));
  }
  std::string environment;
  std::set<std::string> named;
  for (const auto& s : m.settings) {
    if (s.key == "results_root" || s.key.ends_with(".ts") || s.origin.ends_with("_TS")) continue;
    // By its own variable, whatever set it: another one may hold two settings, or their opposite.
    const std::string name = VariableOf(s.key);
    if (!WasGiven(s) || !named.insert(name).second) continue;
    environment += fmt::format("{}={} \\\n  ", name, ShellQuoted(s.value));
  }
  if (const std::string seed = VariableOf("phase70.order_seed"); !named.contains(seed))
    environment += fmt::format("{}={} \\\n  ", seed, ShellQuoted(m.setup.order_seed));
  const std::string file = named.contains("KVTIER_PROFILE") ? "" : ProfileFile(m.settings);
  const std::string profile =
      file.empty() ? "" : fmt::format("KVTIER_PROFILE={} \\\n  ", ShellQuoted(file));
  out += "\n" + profile + environment + "./kvtier phase70";
  return out + fmt::format("\n# this pack again, from the same results\n./kvtier pack --ts {}",
                           ShellQuoted(m.setup.ts));
}

Section MethodSection(const PackInput& in) {
  const Verdict& v = in.verdict();
  const Phase70Setup& s = v.setup;
  const auto arms = ArmNames(s);
  Section out{"method", "Methodology", {}};
  const auto say = [&out](std::string text) { out.blocks.push_back(Text(std::move(text))); };
  say(fmt::format(
      "Question: does {} change the time to the first text of a replayed prompt, compared with {}? "
      "Scenario {}: prompts are sent once (populate), other prompts push them out of the faster "
      "tiers (thrash), then the first are sent again (replay). {}",
      arms[1], arms[0], s.scenario, PhasesText(in)));
  say(fmt::format(
      "Design: {} of {} legs, each on a freshly started stack, {} order ({}, seed {}), so that a "
      "slow drift of the machine falls on both modes. {} planned, {} complete.",
      s.mode_c ? "blocks" : "pairs", s.LegsPerPair(), s.mode_c ? "Williams" : "counterbalanced",
      OrderStrategyName(s.order_strategy), s.order_seed, v.pairs_planned, v.pairs_complete));
  say(fmt::format(
      "Metric: {}, the 95th percentile over the ok requests of the replay of the time from sending "
      "a request to its first generated text (TTFC; role-only and empty chunks do not count). "
      "Quantiles are type 7. Failed requests are counted, never timed.",
      v.effect.primary_metric));
  say(fmt::format(
      "Effect: ln({}/{}) a pair. Hodges-Lehmann with the exact Wilcoxon interval and the sign-flip "
      "test decide below {} pairs, the Hills-Armitage t interval from there; where they disagree "
      "the word is INCONCLUSIVE. Margin {:g} %, alpha {:g}, declared before the run{}.",
      arms[1], arms[0], s.effect.t_from_pairs, v.effect.margin_pct, v.effect.alpha,
      s.declared_sha256.empty() ? "" : fmt::format(" (SHA-256 {:.12})", s.declared_sha256)));
  out.blocks.push_back(Terms(
      {{"BETTER, WORSE", "the 95 % interval lies wholly beyond the margin"},
       {"EQUIVALENT, NON_INFERIOR", "the 90 % interval lies inside the margin, or ends below it"},
       {"INCONCLUSIVE", "none of these; not significant is never no difference"}}));
  say("Mechanism before speed: every B2 leg must bring blocks back from the SSD, every B1 leg must "
      "prove that it has no SSD tier, engine counters and the operating system must agree phase by "
      "phase, and every replayed answer must be the one given before. What could not be read "
      "counts as not shown, never as zero.");
  say(fmt::format("Stack: {}. Filter protocol: {}", in.manifest.stack_label, FilterText(in)));
  if (OnReferenceStack(in))
    say("The reference stack computes a small transformer on the CPU and moves real KV through "
        "three real tiers. Its latencies say nothing about a GPU machine.");
  for (const auto& note : in.manifest.notes) say(note);
  return out;
}

Section ReproductionSection(const PackInput& in) {
  Section out{"reproduction", "Reproduction", {}};
  out.blocks.push_back(Code(ReproductionCommands(in)));
  if (in.config) {
    out.blocks.push_back(
        Terms({{"Versions", Joined(in.config->versions, "not recorded")},
               {"Machine", Joined(in.config->host, "not recorded")},
               {"Model", in.config->model_id},
               {"Disk of the KV cache",
                in.config->block_device.empty() ? "not known" : in.config->block_device}}));
  } else {
    out.blocks.push_back(Text("Versions and machine are not known: no bundle of a leg is here."));
  }
  std::vector<std::vector<std::string>> rows;
  for (const auto& s : in.manifest.settings) {
    if (s.origin != "default") rows.push_back({s.key, s.value, s.origin});
  }
  const auto defaults = in.manifest.settings.size() - rows.size();
  out.blocks.push_back(Text(fmt::format(
      "Settings that are no defaults, with where each came from; {} more are defaults and stand in "
      "manifest.json.",
      defaults)));
  if (!rows.empty()) out.blocks.push_back(Table({"setting", "value", "origin"}, std::move(rows)));
  return out;
}

Section ProvenanceSection(const PackInput& in, const std::vector<std::string>& sources) {
  Section out{"provenance", "Provenance", {}};
  out.blocks.push_back(Text(fmt::format(
      "Experiment {}, begun {}. Everything here was computed from these files; pack_manifest.json "
      "holds the SHA-256 of each and of every file of the pack.",
      in.manifest.setup.ts, in.manifest.created_utc)));
  if (!sources.empty()) out.blocks.push_back(List(sources));
  if (!in.missing.empty()) {
    out.blocks.push_back(Strong("What could not be read"));
    out.blocks.push_back(List(in.missing));
  }
  return out;
}

}  // namespace kvtier
