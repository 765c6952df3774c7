#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "workloads/tokens.hpp"

/// A corpus of prompts of the documented sizes, as files for load generators other than ours (the
/// predecessor's inputs/prompts).
namespace kvtier {

/// The documented sizes in tokens, ascending: 128 to 64000.
const std::vector<int>& CorpusSizes();
/// "4k", "16K": times 1024; else a whole number. Throws ConfigError for anything else, or outside
/// of 64 to 2,000,000.
int ParseCorpusSize(std::string_view text);

struct CorpusFile {
  std::string name;    // "4096_tokens.txt"
  std::string text;    // ASCII
  int tokens = 0;      // as asked for
  int tokens_est = 0;  // by the counter; equal with the byte-level one, else at most a word less
  std::string sha256;
};

/// One document of each size, each drawn from a stream of its own: the text of a size does not
/// depend on which others are made.
std::vector<CorpusFile> MakeCorpus(const std::vector<int>& sizes, std::uint64_t seed,
                                   const TokenCounter& counter);

/// Writes the files and prompt_corpus.json, which names seed, counter and the SHA-256 of each.
/// Throws IoError.
void WriteCorpus(const std::filesystem::path& folder, const std::vector<CorpusFile>& files,
                 std::uint64_t seed, const TokenCounter& counter);
/// What prompt_corpus.json holds.
nlohmann::json CorpusManifest(const std::vector<CorpusFile>& files, std::uint64_t seed,
                              const TokenCounter& counter);

}  // namespace kvtier
