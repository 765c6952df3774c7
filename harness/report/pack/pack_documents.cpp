#include "harness/report/pack/pack_documents.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "harness/report/phase70_report.hpp"

namespace kvtier {
namespace {

std::string Head(const PackInput& in, const std::string& title) {
  const std::string line = NotDecisionGradeLine(in.verdict());
  return (line.empty() ? "" : "**" + MarkdownText(line) + "**\n\n") + "# " + MarkdownText(title) +
         "\n\n";
}

std::string Named(const PackInput& in) {
  return fmt::format("{}, Phase70 {}", ArmsText(in.manifest.setup), in.manifest.setup.ts);
}

Section VerdictSection(const PackInput& in) {
  const Verdict& v = in.verdict();
  return {"verdict",
          "Verdict",
          {Strong(VerdictSentence(v, in.manifest)), Text(WordMeaning(v)),
           Terms({{"Effect", fmt::format("{} of {} ({})", EffectText(v), v.effect.primary_metric,
                                         ArmsText(v.setup))},
                  {"Grade", fmt::format("{}: {}", GradeName(v.grade), GradeMeaning(v.grade))},
                  {"Decision grade", v.decision_grade ? "yes" : "no"},
                  {"Stack", in.manifest.stack_label},
                  {"Filter protocol", FilterText(in)}})}};
}

std::string YesNo(bool b) {
  return b ? "yes" : "no";
}

std::string Num3(const std::optional<double>& v) {
  return v ? fmt::format("{:.3f}", *v) : "NA";
}

}  // namespace

std::string TechbriefEvidenceMd(const PackInput& in,
                                const std::vector<ExpectedEvidence>& evidence) {
  std::string out = Head(in, "Evidence: " + Named(in));
  out += SectionMarkdown(VerdictSection(in)) + SectionMarkdown(EvidenceSection(evidence));
  return out + SectionMarkdown(HitsSection(in)) + SectionMarkdown(BytesSection(in)) +
         SectionMarkdown(BreakEvenSection(in)) + SectionMarkdown(ReasonsSection(in));
}

std::string MethodMd(const PackInput& in, const std::vector<std::string>& sources) {
  return Head(in, "Method: " + Named(in)) + SectionMarkdown(MethodSection(in)) +
         SectionMarkdown(WashoutSection(in)) + SectionMarkdown(ReproductionSection(in)) +
         SectionMarkdown(ProvenanceSection(in, sources));
}

std::string MethodologyMd(const PackInput& in) {
  const Verdict& v = in.verdict();
  const Phase70Setup& s = v.setup;
  std::string out = Head(in, "Methodology: " + Named(in));
  out += SectionMarkdown({"",
                          "Run Metadata",
                          {Terms({{"Timestamp", s.ts},
                                  {"Modes", ArmsText(s)},
                                  {"Pairs planned", fmt::format("{}", v.pairs_planned)},
                                  {"Pairs complete", fmt::format("{}", v.pairs_complete)},
                                  {"Replay concurrency", fmt::format("{}", s.replay_concurrency)},
                                  {"Scenario", s.scenario},
                                  {"Profile", in.manifest.model_profile},
                                  {"Stack", in.manifest.stack_label}})}});
  out +=
      SectionMarkdown({"",
                       "Definitions",
                       {Terms({{"TTFC", "time from sending a request to its first generated text"},
                               {"Delta", "mode_b - mode_a of one pair"},
                               {"Effect", "ln(mode_b / mode_a) of one pair, shown as percent"},
                               {"SSD bytes",
                                "blocks that the engine counted times their size, beside what the "
                                "system counted for the worker"}})}});
  out += SectionMarkdown(MethodSection(in));
  out += SectionMarkdown(
      {"",
       "Mechanism Signal Summary",
       {Terms({{"ssd_write_signal_present", YesNo(v.ssd_write_signal_present)},
               {"ssd_rehydrate_signal_present", YesNo(v.ssd_rehydrate_signal_present)},
               {"ssd_reuse_signal_present", YesNo(v.ssd_reuse_signal_present)},
               {"B1 is off", YesNo(v.b1_off)},
               {"Witnesses agree", YesNo(v.witnesses_agree)},
               {"Answers equal", fmt::format("{} ({} compared, {} differ)", YesNo(v.answers_equal),
                                             v.answers_compared, v.answers_mismatched)}})}});
  // The headline is whatever the data say.
  Section headline{"", "Headline Claim Structure", {Strong(VerdictSentence(v, in.manifest))}};
  if (const auto result = SsdResultSentence(v); !result.empty())
    headline.blocks.push_back(Text("Performance: " + result));
  headline.blocks.push_back(Text(fmt::format(
      "Mechanism: {}",
      !RunsMode(s, TierMode::kB2) ? "no arm has an SSD tier."
      : v.ssd_rehydrate_signal_present
          ? "blocks came back from the SSD in every B2 leg."
          : "it was not shown that blocks came back from the SSD in every B2 leg, so no difference "
            "in latency may be put down to it.")));
  out += SectionMarkdown(headline);
  Section order{"", "Order-Effect Summary", {}};
  for (const auto& [name, m] : in.analysis.order_check.metrics)
    order.blocks.push_back(
        Terms({{name, fmt::format("{}: {}, {}: {}, difference {}", m.order_ab_label,
                                  Num3(m.order_ab.mean), m.order_ba_label, Num3(m.order_ba.mean),
                                  Num3(m.difference_of_means))}}));
  order.blocks.push_back(Text(v.order_effect_insufficient_pairs
                                  ? "Too few complete pairs to test for an order effect."
                              : v.order_effect_suspect ? "The period test suspects an order effect."
                                                       : "The period test finds no order effect."));
  return out + SectionMarkdown(order);
}

std::string ResultsMd(const PackInput& in, const std::vector<ExpectedEvidence>& evidence) {
  std::string out = Head(in, "Results: " + Named(in)) + SectionMarkdown(VerdictSection(in));
  for (const auto& section :
       {ResultSection(in), EffectSection(in), PairsSection(in), EvidenceSection(evidence),
        HitsSection(in), BytesSection(in), BreakEvenSection(in), OrderSection(in),
        WashoutSection(in), NoiseSection(in), ReasonsSection(in)})
    out += SectionMarkdown(section);
  return out;
}

std::string PackReadmeMd(const PackInput& in, const std::string& figures_note) {
  std::string out = Head(in, "Results pack: " + Named(in));
  out += "**" + MarkdownText(VerdictSentence(in.verdict(), in.manifest)) + "**\n\n";
  out += BlocksMarkdown({Table(
      {"file", "what"},
      {{"report.html", "everything on one page; opens without a network, prints"},
       {"TECHBRIEF_EVIDENCE.md", "the claim, and what was and was not seen of it"},
       {"METHOD.md", "how it was measured and judged, and how to do it again"},
       {"RESULTS/", "summary.md with every table, and the data behind each as CSV"},
       {"FIGURES/", "the figures as SVG, and as PNG where a converter was at hand"},
       {"verdict.json, summary.json, summary.csv, deltas.csv, order_check.json, manifest.json",
        "the artifacts of the run, unchanged"},
       {"methodology.md, tables/", "the documents of the predecessor's pack"},
       {"pack_manifest.json", "SHA-256 of every file here and of what it was made from"}})});
  if (!figures_note.empty()) out += BlocksMarkdown({Text(figures_note)});
  if (!in.missing.empty()) {
    out += BlocksMarkdown({Strong("What could not be read"), List(in.missing)});
  }
  return out;
}

}  // namespace kvtier
