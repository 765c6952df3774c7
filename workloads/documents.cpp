#include "workloads/documents.hpp"

#include <array>

#include <fmt/format.h>

#include "harness/core/error.hpp"

namespace kvtier {
namespace {

using Words = std::array<std::string_view, 10>;

constexpr Words kTopics{"caching",  "paging",   "routing",  "storage", "tracing",
                        "batching", "sharding", "indexing", "logging", "backups"};
constexpr Words kSubjects{"the night shift operator", "a regional gateway", "the archive service",
                          "every build agent",        "the billing ledger", "an idle replica",
                          "the sensor collector",     "the intake queue",   "a warm standby node",
                          "the compaction worker"};
constexpr Words kActions{"publishes a digest of",  "rewrites the order of", "holds back part of",
                         "compares two copies of", "moves the oldest of",   "asks twice for",
                         "keeps a short list of",  "drops half of",         "signs and forwards",
                         "measures the drift of"};
constexpr Words kQualifiers{
    "the records that changed since noon", "requests without an owner",
    "entries above the soft limit",        "pages that nobody read this week",
    "segments with a broken footer",       "samples taken under load",
    "jobs that were started by hand",      "keys close to their expiry",
    "reports from the smaller site",       "messages that arrived out of turn"};
constexpr Words kClosings{"and notes why.",         "before the hour ends.",
                          "unless told otherwise.", "and waits for a reply.",
                          "as the rota asks.",      "with one retry.",
                          "and keeps the receipt.", "in the usual order.",
                          "without a restart.",     "and logs the count."};

void AppendSection(std::string& text, int number, std::string_view topic, Rng& rng) {
  const auto pick = [&](const Words& from) {
    return rng.Pick(std::span<const std::string_view>(from));
  };
  text += fmt::format("Section {}: {} in practice\n", number, topic);
  const int bullets = number % 2 == 0 ? 7 : 6;
  for (int i = 0; i < bullets; ++i) {
    const auto subject = pick(kSubjects);
    const auto action = pick(kActions);
    const auto qualifier = pick(kQualifiers);
    text += fmt::format("- {} {} {} {}\n", subject, action, qualifier, pick(kClosings));
  }
  text += fmt::format("Checklist {}: owner named, limit known, way back tested.\n\n", number);
}

/// The longest beginning of `text` that counts at most `target`: to the byte where one byte is one
/// token, else to the end of a word.
std::string_view CutTo(std::string_view text, int target, const TokenCounter& counter) {
  if (counter.exact())
    return text.substr(0, static_cast<std::size_t>(target));  // no mark occurs in a document
  std::size_t low = 0, high = text.size();                    // Count(low) <= target
  while (low < high) {
    const std::size_t middle = low + (high - low + 1) / 2;
    if (counter.Count(text.substr(0, middle)) <= target) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  if (low == text.size()) return text;
  const std::size_t word_end = text.find_last_of(" \n", low);
  return text.substr(0, word_end == std::string_view::npos ? low : word_end);
}

}  // namespace

std::span<const std::string_view> DocumentTopics() {
  return kTopics;
}

std::string MakeDocument(const DocumentSpec& spec, const TokenCounter& counter, Rng& rng) {
  std::string text = spec.intro;
  const int intro_tokens = counter.Count(text);
  if (intro_tokens > spec.target_tokens) {
    throw ConfigError(
        fmt::format("a document of {} tokens cannot hold its introduction of {}: raise the target "
                    "(prefix_target_tokens)",
                    spec.target_tokens, intro_tokens));
  }
  text += fmt::format("Document: {}\nTopic: {}\nRead all of it before you answer.\n\n", spec.doc_id,
                      spec.topic);
  for (int section = 1; counter.Count(text) < spec.target_tokens; ++section)
    AppendSection(text, section, spec.topic, rng);
  text = std::string(CutTo(text, spec.target_tokens, counter));
  if (counter.exact() && text.size() > spec.intro.size() &&
      (text.back() == ' ' || text.back() == '\n'))
    text.back() = '.';
  return text;
}

}  // namespace kvtier
