#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace kvtier {

/// Header fields in the order of the wire; names keep their spelling, look-ups ignore case.
using HttpHeaders = std::vector<std::pair<std::string, std::string>>;

/// The value of the first field with this name, or empty.
std::string_view FindHeader(const HttpHeaders& headers, std::string_view name);
/// ASCII case-insensitive equality, as header names and tokens are compared.
bool EqualsIgnoreCase(std::string_view a, std::string_view b);
/// "Not Found" for 404; 529 is "Overloaded" and 499 "Client Closed Request" as the Dynamo frontend
/// says them; "Unknown" for a status without a phrase.
std::string_view ReasonPhrase(int status);

/// An absolute http URL. Hosts are `localhost` or a dotted IPv4 address: this suite measures on the
/// machine it runs on and never resolves names.
struct Url {
  std::string host = "127.0.0.1";  // dotted; localhost became 127.0.0.1
  std::uint16_t port = 80;
  std::string target = "/";  // path and query, begins with '/'

  /// Throws ConfigError naming the text and what is allowed.
  static Url Parse(std::string_view text);
  /// http://127.0.0.1:8000/v1/models
  std::string ToString() const;
  /// "127.0.0.1:8000", also the Host field.
  std::string Authority() const;
  /// The same server, another path and query.
  Url WithTarget(std::string_view new_target) const;
  bool operator==(const Url&) const = default;
};

}  // namespace kvtier
