#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "harness/core/reading.hpp"
#include "telemetry/engine/series.hpp"

/// How the words of an exporter translate into ours. One table a kind of exporter, each in its own
/// adapter_*.cpp: the only places in the project that spell foreign metric names. What each word
/// means, in which unit and with which caveat is in docs/engine_metrics.md.
namespace kvtier {

/// One metric of an exporter, summed over its label sets (a gauge must have exactly one).
struct Term {
  /// The spellings of one and the same metric; the first that is present counts.
  std::vector<std::string> names;
  /// Only series whose label says one of `values` (compared without case) count.
  std::string label = {};
  std::vector<std::string> values = {};
  /// What else the label may say. Any other word makes the term unavailable: an exporter that
  /// renamed its tiers must not read as one without traffic.
  std::vector<std::string> others = {};
  /// Where series differ in this label, only one of its values may have counted: with two, which of
  /// them is the truth or whether their sum is, nobody documented.
  std::string exclusive = {};
  double scale = 1;
};

/// One of our words. `key` is the name of a TierTraffic field, or an extra of the timeline.
struct Word {
  std::string key;
  enum class Kind { kCounter, kGauge } kind = Kind::kCounter;
  /// Each a sum; the first of which every term is present counts.
  std::vector<std::vector<Term>> alternatives = {};
  /// True for what stays 0 until a block is matched, moved or kept.
  bool activity = false;
};

struct Adapter {
  std::string name;
  bool (*matches)(const SeriesSet& series);
  std::vector<Word> words;
  /// Why a word that the table does not have is unavailable.
  std::string silence;

  const Word* Find(std::string_view key) const;
  /// The first word that reads series of this name; null: none does.
  const Word* ReaderOf(std::string_view series_name) const;
};

const Adapter& KvbmV1Adapter();
const Adapter& KvbmV2Adapter();
const Adapter& TrtllmAdapter();
const Adapter& VllmAdapter();

/// The first that matches of kvbm_v2, kvbm_v1, trtllm, vllm; null: none of their metrics. KVBM is
/// asked first because with it attached the engine itself sees only its device tier; v2 before v1
/// because it has all names of v1.
const Adapter* DetectAdapter(const SeriesSet& series);
const Adapter* DetectAdapter(const Exposition& exposition);

/// The word's value now. Unavailable when the exporter has no such word, when no alternative is
/// complete, when a gauge has several label sets, or when a value is not finite.
Reading<double> ReadWord(const Adapter& adapter, std::string_view key, const SeriesSet& series);
/// The same of one alternative.
Reading<double> ReadTerms(const std::vector<Term>& terms, Word::Kind kind, const SeriesSet& series);

}  // namespace kvtier
