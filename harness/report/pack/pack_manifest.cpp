#include "harness/report/pack/pack_manifest.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include <nlohmann/json.hpp>

#include "harness/core/error.hpp"
#include "harness/report/evidence_json.hpp"

namespace kvtier {
using nlohmann::json;

namespace {

json FileJson(const HashedFile& f) {
  return {{"path", f.path}, {"sha256", f.sha256}, {"bytes", f.bytes}};
}
HashedFile FileFrom(const json& j) {
  return {.path = j.at("path"), .sha256 = j.at("sha256"), .bytes = j.at("bytes")};
}

/// Documented keys of source_artifacts and pack_artifacts, with the file's name in the pack.
constexpr std::array<std::pair<const char*, const char*>, 6> kCopies{
    {{"manifest", "manifest.json"},
     {"summary_json", "summary.json"},
     {"summary_csv", "summary.csv"},
     {"deltas_csv", "deltas.csv"},
     {"order_check_json", "order_check.json"},
     {"verdict_json", "verdict.json"}}};

}  // namespace

void to_json(json& j, const PackManifest& m) {
  json sources = json::object(), hashes = json::object(), artifacts = json::object(),
       files = json::array();
  const auto in_pack = [&m](const char* name) {
    return std::any_of(m.files.begin(), m.files.end(),
                       [name](const auto& f) { return f.path == name; });
  };
  for (const auto& [key, name] : kCopies) {
    sources[key] = m.sources.contains(key) ? json(m.sources.at(key).path) : json();
    artifacts[key] = in_pack(name) ? json(name) : json();
  }
  for (const auto& [key, file] : m.sources) hashes[key] = FileJson(file);
  for (const auto& f : m.files) files.push_back(FileJson(f));
  artifacts["methodology_md"] = "methodology.md";
  artifacts["tables"] = {{"main_latency", "tables/table_main_latency.csv"},
                         {"mechanism", "tables/table_mechanism.csv"},
                         {"order_effect", "tables/table_order_effect.csv"}};
  artifacts["figures_dir"] = "FIGURES";
  j = {{"schema_version", kBundleSchemaVersion},
       {"created_utc", m.created_utc},
       {"source_ts", m.source_ts},
       {"pair_count", m.pair_count},
       {"replay_concurrency", m.replay_concurrency},
       {"mode_a", m.mode_a},
       {"mode_b", m.mode_b},
       {"ssd_write_signal_present", m.ssd_write_signal_present},
       {"ssd_rehydrate_signal_present", m.ssd_rehydrate_signal_present},
       {"ssd_reuse_signal_present", m.ssd_reuse_signal_present},
       {"decision_grade", m.decision_grade},
       {"word", m.word},
       {"grade", m.grade},
       {"reason_codes", m.reason_codes},
       {"source_artifacts", std::move(sources)},
       {"source_files", std::move(hashes)},
       {"pack_artifacts", std::move(artifacts)},
       {"files", std::move(files)},
       {"notes", m.notes}};
}

void from_json(const json& j, PackManifest& m) {
  m = {};
  try {
    j.at("created_utc").get_to(m.created_utc);
    j.at("source_ts").get_to(m.source_ts);
    j.at("pair_count").get_to(m.pair_count);
    j.at("replay_concurrency").get_to(m.replay_concurrency);
    j.at("mode_a").get_to(m.mode_a);
    j.at("mode_b").get_to(m.mode_b);
    j.at("ssd_write_signal_present").get_to(m.ssd_write_signal_present);
    j.at("ssd_rehydrate_signal_present").get_to(m.ssd_rehydrate_signal_present);
    j.at("ssd_reuse_signal_present").get_to(m.ssd_reuse_signal_present);
    j.at("decision_grade").get_to(m.decision_grade);
    j.at("word").get_to(m.word);
    j.at("grade").get_to(m.grade);
    j.at("reason_codes").get_to(m.reason_codes);
    for (const auto& [key, file] : j.at("source_files").items()) m.sources[key] = FileFrom(file);
    for (const auto& file : j.at("files")) m.files.push_back(FileFrom(file));
    j.at("notes").get_to(m.notes);
  } catch (const json::exception& e) {
    throw DataError(std::string("pack_manifest.json: ") + e.what());
  }
}

}  // namespace kvtier
