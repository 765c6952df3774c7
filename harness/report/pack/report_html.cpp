#include "harness/report/pack/report_html.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "harness/core/files.hpp"
#include "harness/report/pack/assets.hpp"
#include "harness/report/pack/chart_data.hpp"
#include "harness/report/pack/pack_sections.hpp"
#include "harness/report/phase70_report.hpp"

namespace kvtier {
namespace {

/// Those that report.js can draw; the others are still figures.
constexpr std::array<std::string_view, 6> kInteractive{
    "paired_slopegraph", "effect_forest", "tier_hits", "phase_bytes", "ttfc_ecdf", "run_order"};

/// SHA-256 in base64, as a content security policy names a script.
std::string ScriptHash(std::string_view script) {
  const std::string hex = Sha256Hex(script);
  const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out = "sha256-";
  for (std::size_t i = 0; i < hex.size(); i += 6) {
    std::uint32_t word = 0;
    std::size_t nibbles = 0;
    for (std::size_t k = 0; k < 6; ++k) {
      word <<= 4;
      if (i + k >= hex.size()) continue;
      word |= static_cast<std::uint32_t>(digit(hex[i + k]));
      ++nibbles;
    }
    const std::size_t sextets = nibbles == 6 ? 4 : nibbles == 4 ? 3 : 2;
    for (std::size_t k = 0; k < 4; ++k)
      out += k < sextets ? kAlphabet[(word >> (18 - 6 * k)) & 63] : '=';
  }
  return out;
}

std::string P(const std::string& text) {
  return "<p>" + EscapeHtml(text) + "</p>\n";
}

std::string ChartHtml(const Block& block, const std::vector<Figure>& figures) {
  const bool interactive =
      std::find(kInteractive.begin(), kInteractive.end(), block.text) != kInteractive.end();
  const auto still = std::find_if(figures.begin(), figures.end(),
                                  [&](const Figure& f) { return f.name == block.text; });
  if (!interactive && still == figures.end()) return "";
  std::string svg = still == figures.end() ? "" : still->svg;
  // The prolog of an SVG file has no place inside a page.
  if (const auto at = svg.find("<svg"); at != std::string::npos) svg = svg.substr(at);
  return fmt::format(
      "<figure data-chart=\"{}\"{}>\n<figcaption>{}</figcaption>\n<div class=\"live\"></div>\n{}"
      "</figure>\n",
      EscapeHtml(block.text), svg.empty() ? "" : " class=\"has-still\"", EscapeHtml(block.title),
      svg.empty() ? "" : "<div class=\"still\">\n" + svg + "\n</div>\n");
}

std::string BlockHtml(const Block& block, const std::vector<Figure>& figures) {
  switch (block.kind) {
    case Block::Kind::kText:
      return P(block.text);
    case Block::Kind::kStrong:
      return "<p><strong>" + EscapeHtml(block.text) + "</strong></p>\n";
    case Block::Kind::kTable:
      return TableHtml(block.header, block.rows);
    case Block::Kind::kList: {
      std::string out = "<ul>\n";
      for (const auto& line : block.lines) out += "<li>" + EscapeHtml(line) + "</li>\n";
      return out + "</ul>\n";
    }
    case Block::Kind::kTerms: {
      std::string out = "<dl class=\"terms\">\n";
      for (const auto& row : block.rows)
        out += "<dt>" + EscapeHtml(row.at(0)) + "</dt><dd>" + EscapeHtml(row.at(1)) + "</dd>\n";
      return out + "</dl>\n";
    }
    case Block::Kind::kCode:
      return "<pre>" + EscapeHtml(block.text) + "</pre>\n";
    case Block::Kind::kChart:
      return ChartHtml(block, figures);
  }
  return "";
}

std::string SectionHtml(const Section& section, const std::vector<Figure>& figures) {
  std::string out = fmt::format("<section id=\"{}\">\n<h2>{}</h2>\n", EscapeHtml(section.id),
                                EscapeHtml(section.title));
  for (const auto& block : section.blocks) out += BlockHtml(block, figures);
  return out + "</section>\n";
}

std::string ReasonItem(const ReasonEntry& e) {
  std::string out = fmt::format("<li><code>{}</code> <span class=\"soft\">{}</span><br>{} {}",
                                EscapeHtml(e.code), EscapeHtml(SeverityText(e.severity)),
                                EscapeHtml(e.meaning), EscapeHtml(e.remedy));
  if (!e.details.empty()) {
    out += fmt::format(
        "<br><span class=\"soft\">{}{}</span>", EscapeHtml(e.details.front()),
        e.details.size() > 1 ? fmt::format(" (and {} more)", e.details.size() - 1) : "");
  }
  return out + "</li>\n";
}

std::string VerdictBox(const PackInput& in) {
  const Verdict& v = in.verdict();
  const std::string word =
      v.run_valid ? std::string(EffectWordName(v.effect.word)) : std::string("RUN NOT VALID");
  std::string out = "<section class=\"verdict\" id=\"verdict\">\n<h1 class=\"soft\">" +
                    EscapeHtml(fmt::format("{}: does the SSD tier make serving better?",
                                           ArmsText(in.manifest.setup))) +
                    "</h1>\n";
  out += "<p class=\"word\">" + EscapeHtml(word) + "</p>\n";
  out += "<p class=\"effect\">" +
         EscapeHtml(fmt::format("{} of {}", EffectText(v), v.effect.primary_metric)) + "</p>\n";
  out += P(WordMeaning(v));
  out += "<dl>\n";
  const auto term = [&out](const char* name, const std::string& value) {
    out += fmt::format("<dt>{}</dt><dd>{}</dd>\n", name, EscapeHtml(value));
  };
  term("Decision grade", v.decision_grade ? "yes" : "no");
  term("Grade", fmt::format("{}: {}", GradeName(v.grade), GradeMeaning(v.grade)));
  term("Pairs", fmt::format("{} of {} complete", v.pairs_complete, v.pairs_planned));
  term("Stack",
       in.manifest.stack_label +
           (OnReferenceStack(in) ? "; its latencies say nothing about a GPU machine" : ""));
  term("Filter protocol", FilterText(in));
  term("Experiment", in.manifest.setup.ts);
  out += "</dl>\n<h2>Held against the run, or remarked on it</h2>\n";
  const auto entries = ReasonEntries(v);
  if (entries.empty()) {
    out += P("Nothing.");
  } else {
    out += "<ul class=\"reasons\">\n";
    for (const auto& e : entries) out += ReasonItem(e);
    out += "</ul>\n";
  }
  return out + "</section>\n";
}

}  // namespace

std::string RenderReportHtml(const PackInput& in, const std::vector<ExpectedEvidence>& evidence,
                             const std::vector<Figure>& figures,
                             const std::vector<std::string>& sources) {
  const std::vector<Section> sections{EffectSection(in),
                                      ResultSection(in),
                                      PairsSection(in),
                                      EvidenceSection(evidence),
                                      HitsSection(in),
                                      BytesSection(in),
                                      BreakEvenSection(in),
                                      OrderSection(in),
                                      WashoutSection(in),
                                      NoiseSection(in),
                                      MethodSection(in),
                                      ReproductionSection(in),
                                      ProvenanceSection(in, sources)};
  const std::string warning = NotDecisionGradeLine(in.verdict());
  const std::string title =
      fmt::format("{}{}, Phase70 {}",
                  warning.empty() ? "" : "NOT DECISION GRADE: ", ArmsText(in.manifest.setup),
                  in.manifest.setup.ts);
  std::string out = fmt::format(
      "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
      "'unsafe-inline'; script-src '{}' '{}'; base-uri 'none'; form-action 'none'\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<title>{}</title>\n<style>\n",
      ScriptHash(pack_assets::kChartJs), ScriptHash(pack_assets::kReportJs), EscapeHtml(title));
  out += pack_assets::kReportCss;
  out += "</style>\n</head>\n<body>\n";
  if (!warning.empty())
    out += "<p class=\"not-grade\" role=\"alert\">" + EscapeHtml(warning) + "</p>\n";
  out += VerdictBox(in) + "<nav>";
  for (const auto& s : sections)
    out += fmt::format("<a href=\"#{}\">{}</a> ", EscapeHtml(s.id), EscapeHtml(s.title));
  out += "</nav>\n";
  for (const auto& s : sections) out += SectionHtml(s, figures);
  out += "<footer>\n" + P(fmt::format("Made by kvtier pack, {}.", in.created_utc));
  out += "<details><summary>Third-party software in this page</summary>\n<pre>" +
         EscapeHtml(pack_assets::kChartJsLicense) + "</pre>\n</details>\n</footer>\n";
  out +=
      "<script type=\"application/json\" id=\"chart-data\">" +
      ScriptSafeJson(ChartData(in).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)) +
      "</script>\n<script>";
  out += pack_assets::kChartJs;
  out += "</script>\n<script>";
  out += pack_assets::kReportJs;
  return out + "</script>\n</body>\n</html>\n";
}

}  // namespace kvtier
