#pragma once
#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "workloads/trace.hpp"

/// Public traces of language-model serving, and our own manifests, as one stream of TraceRequest
/// (docs/traces.md tells each format, its source and its licence).
namespace kvtier {

struct TraceFileOptions {
  /// One of TraceFormats(); empty: told by the first line.
  std::optional<std::string> format = std::nullopt;
  /// Tokens that an id of a Mooncake file stands for, and of those that are made here from texts
  /// and prompt hashes. Bailian always has 16.
  int block_tokens = kTraceBlockTokens;
  /// How many bytes of a message count as one token; lengths of messages are an estimate.
  double bytes_per_token = 4;
  std::optional<std::size_t> max_requests = std::nullopt;  // the first so many lines
};

struct TraceFile {
  std::string format;
  std::vector<TraceRequest> requests;  // timestamps ascend
  std::vector<std::string> notes;      // what the reader assumed, a sentence each
};

/// mooncake, bailian, azure, burstgpt, messages, request_manifest
const std::vector<std::string>& TraceFormats();

/// Strict: every line is what its format says, or DataError "<name>:<line>: ..."; also for a trace
/// without requests and for one whose format cannot be told. Empty lines at the end are allowed.
/// ConfigError for options that are out of range.
TraceFile ParseTraceFile(std::string_view text, const std::string& name,
                         const TraceFileOptions& options = {});
/// The same over a file, of which no more lines than asked for are read, one at a time. Throws
/// IoError.
TraceFile LoadTraceFile(const std::filesystem::path& path, const TraceFileOptions& options = {});

/// Mooncake JSONL, compact keys in the order of the published files. Without `sessions` every
/// request is written whole, with small numbers for its ids; with it, later turns of a session as
/// what they add, with session_id and delay, as the Mooncake+ dialect has them. Requests must have
/// ids (FillTraceIds).
std::string TraceText(const std::vector<TraceRequest>& requests, bool sessions);

}  // namespace kvtier
