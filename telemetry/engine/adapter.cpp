#include "telemetry/engine/adapter.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <set>

#include <fmt/format.h>

namespace kvtier {
namespace {

Reading<double> None(std::string why) {
  return Reading<double>::Unavailable(std::move(why));
}

std::string Lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return out;
}

bool OneOf(const std::vector<std::string>& words, const std::string& word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

const std::string* LabelOf(const Series& series, std::string_view label) {
  for (const auto& [name, value] : series.labels) {
    if (name == label) return &value;
  }
  return nullptr;
}

/// Which series of `name` count for the term; the reason when one cannot be placed.
Reading<std::vector<const Series*>> Select(const Term& term, const std::string& name,
                                           const std::vector<Series>& all) {
  std::vector<const Series*> chosen;
  for (const auto& one : all) {
    if (term.label.empty()) {
      chosen.push_back(&one);
      continue;
    }
    const std::string* label = LabelOf(one, term.label);
    if (label == nullptr && one.value == 0) continue;  // declared, and nothing counted yet
    const std::string word = label == nullptr ? "" : Lower(*label);
    if (label != nullptr && OneOf(term.values, word)) {
      chosen.push_back(&one);
    } else if (label == nullptr || !OneOf(term.others, word)) {
      return Reading<std::vector<const Series*>>::Unavailable(
          label == nullptr ? fmt::format("{} has no label {}", name, term.label)
                           : fmt::format("{} has the unknown {} '{}'; docs/engine_metrics.md "
                                         "lists the words that are understood",
                                         name, term.label, *label));
    }
  }
  return chosen;
}

/// Empty, or why the series cannot be added up.
std::string Clash(const Term& term, const std::string& name,
                  const std::vector<const Series*>& chosen) {
  if (term.exclusive.empty()) return {};
  std::set<std::string> counting;
  for (const Series* one : chosen) {
    const std::string* label = LabelOf(*one, term.exclusive);
    if (one->value != 0) counting.insert(label == nullptr ? "" : *label);
  }
  if (counting.size() < 2) return {};
  return fmt::format("{} counts under {} {}s ({} and {}), and which one is right is not documented",
                     name, counting.size(), term.exclusive, *counting.begin(), *counting.rbegin());
}

Reading<double> ReadTerm(const Term& term, Word::Kind kind, const SeriesSet& series) {
  const auto name = std::find_if(term.names.begin(), term.names.end(),
                                 [&](const std::string& n) { return series.Find(n) != nullptr; });
  if (name == term.names.end())
    return None(fmt::format("{} is not among the metrics", term.names.front()));
  const auto chosen = Select(term, *name, *series.Find(*name));
  if (!chosen) return None(chosen.reason());
  if (kind == Word::Kind::kGauge && chosen->size() != 1) {
    return None(chosen->empty() ? fmt::format("{} has no value yet", *name)
                                : fmt::format("{} has {} label sets, and gauges cannot be added up",
                                              *name, chosen->size()));
  }
  if (std::string clash = Clash(term, *name, *chosen); !clash.empty())
    return None(std::move(clash));
  double sum = 0;
  for (const Series* one : *chosen) sum += one->value;
  if (!std::isfinite(sum)) return None(fmt::format("{} is not finite", *name));
  return sum * term.scale;
}

}  // namespace

const Word* Adapter::Find(std::string_view key) const {
  const auto at =
      std::find_if(words.begin(), words.end(), [&](const Word& word) { return word.key == key; });
  return at == words.end() ? nullptr : &*at;
}

const Word* Adapter::ReaderOf(std::string_view series_name) const {
  for (const auto& word : words) {
    for (const auto& terms : word.alternatives) {
      for (const auto& term : terms) {
        if (std::find(term.names.begin(), term.names.end(), series_name) != term.names.end())
          return &word;
      }
    }
  }
  return nullptr;
}

const Adapter* DetectAdapter(const SeriesSet& series) {
  for (const Adapter* adapter :
       {&KvbmV2Adapter(), &KvbmV1Adapter(), &TrtllmAdapter(), &VllmAdapter()}) {
    if (adapter->matches(series)) return adapter;
  }
  return nullptr;
}

const Adapter* DetectAdapter(const Exposition& exposition) {
  return DetectAdapter(SeriesSet(exposition));
}

Reading<double> ReadTerms(const std::vector<Term>& terms, Word::Kind kind,
                          const SeriesSet& series) {
  double sum = 0;
  for (const auto& term : terms) {
    const auto value = ReadTerm(term, kind, series);
    if (!value) return value;
    sum += *value;
  }
  return sum;
}

Reading<double> ReadWord(const Adapter& adapter, std::string_view key, const SeriesSet& series) {
  const Word* word = adapter.Find(key);
  if (word == nullptr || word->alternatives.empty()) return None(adapter.silence);
  auto first = Reading<double>::Unavailable("");
  for (const auto& terms : word->alternatives) {
    auto value = ReadTerms(terms, word->kind, series);
    if (value) return value;
    if (first.reason().empty()) first = std::move(value);
  }
  return first;
}

}  // namespace kvtier
