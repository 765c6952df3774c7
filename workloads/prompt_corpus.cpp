#include "workloads/prompt_corpus.hpp"

#include <charconv>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "harness/core/error.hpp"
#include "harness/core/files.hpp"
#include "workloads/documents.hpp"

namespace kvtier {

const std::vector<int>& CorpusSizes() {
  static const std::vector<int> sizes{128,   256,   512,   1024,  1536,  2048,  4096, 8192,
                                      10000, 12000, 14000, 15000, 16384, 32768, 64000};
  return sizes;
}

int ParseCorpusSize(std::string_view text) {
  constexpr int kLeast = 64, kMost = 2'000'000;
  const bool thousands = text.ends_with('k') || text.ends_with('K');
  const std::string_view digits = thousands ? text.substr(0, text.size() - 1) : text;
  int number = 0;
  const auto end = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  const bool whole = end.ec == std::errc() && end.ptr == digits.data() + digits.size();
  if (!whole || number < 1 || number > kMost || number * (thousands ? 1024LL : 1LL) < kLeast ||
      number * (thousands ? 1024LL : 1LL) > kMost) {
    throw ConfigError(
        fmt::format("prompt size '{}': must be a number of tokens from {} to {}, or one with a k "
                    "behind it (1k = 1024)",
                    text, kLeast, kMost));
  }
  return thousands ? number * 1024 : number;
}

std::vector<CorpusFile> MakeCorpus(const std::vector<int>& sizes, std::uint64_t seed,
                                   const TokenCounter& counter) {
  std::vector<CorpusFile> files;
  for (const int tokens : sizes) {
    CorpusFile file{.name = fmt::format("{}_tokens.txt", tokens), .text = {}, .tokens = tokens, .tokens_est = 0, .sha256 = {}};
    Rng rng = Rng::Stream(seed, file.name);
    const std::string_view topic = rng.Pick(DocumentTopics());
    file.text = MakeDocument({.intro = {},
                              .topic = std::string(topic),
                              .doc_id = fmt::format("corpus-{}", tokens),
                              .target_tokens = tokens},
                             counter, rng);
    file.tokens_est = counter.Count(file.text);
    file.sha256 = Sha256Hex(file.text);
    files.push_back(std::move(file));
  }
  return files;
}

nlohmann::json CorpusManifest(const std::vector<CorpusFile>& files, std::uint64_t seed,
                              const TokenCounter& counter) {
  nlohmann::json rows = nlohmann::json::array();
  for (const CorpusFile& file : files) {
    rows.push_back({{"file", file.name},
                    {"tokens", file.tokens},
                    {"tokens_est", file.tokens_est},
                    {"bytes", file.text.size()},
                    {"sha256", file.sha256}});
  }
  return {{"schema_version", 1}, {"seed", seed}, {"counter", counter.name()}, {"prompts", rows}};
}

void WriteCorpus(const std::filesystem::path& folder, const std::vector<CorpusFile>& files,
                 std::uint64_t seed, const TokenCounter& counter) {
  for (const CorpusFile& file : files) WriteFileAtomic(folder / file.name, file.text);
  WriteJsonAtomic(folder / "prompt_corpus.json", CorpusManifest(files, seed, counter));
}

}  // namespace kvtier
