#include "harness/net/http.hpp"

#include <charconv>

#include <arpa/inet.h>
#include <fmt/format.h>

#include "harness/core/error.hpp"

namespace kvtier {
namespace {

char Lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

ConfigError BadUrl(std::string_view text, std::string_view why) {
  return ConfigError(
      fmt::format("'{}' is not a usable URL: {}; write http://127.0.0.1:PORT/path with localhost "
                  "or a dotted address",
                  text, why));
}

}  // namespace

bool EqualsIgnoreCase(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (Lower(a[i]) != Lower(b[i])) return false;
  }
  return true;
}

std::string_view FindHeader(const HttpHeaders& headers, std::string_view name) {
  for (const auto& [key, value] : headers) {
    if (EqualsIgnoreCase(key, name)) return value;
  }
  return {};
}

std::string_view ReasonPhrase(int status) {
  switch (status) {
    case 100:
      return "Continue";
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 202:
      return "Accepted";
    case 204:
      return "No Content";
    case 301:
      return "Moved Permanently";
    case 302:
      return "Found";
    case 307:
      return "Temporary Redirect";
    case 400:
      return "Bad Request";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 413:
      return "Payload Too Large";
    case 415:
      return "Unsupported Media Type";
    case 422:
      return "Unprocessable Entity";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 499:
      return "Client Closed Request";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 529:
      return "Overloaded";
    default:
      return "Unknown";
  }
}

Url Url::Parse(std::string_view text) {
  constexpr std::string_view kScheme = "http://";
  if (text.substr(0, kScheme.size()) != kScheme)
    throw BadUrl(text, "it does not begin with http://");
  const std::string_view rest = text.substr(kScheme.size());
  const std::size_t slash = rest.find_first_of("/?#");
  const std::string_view authority = rest.substr(0, slash);
  Url url;
  if (slash != std::string_view::npos) {
    url.target = std::string(rest.substr(slash, rest.find('#') - slash));
    if (url.target.empty() || url.target.front() != '/') url.target.insert(0, "/");
  }
  for (const char c : url.target) {
    if (c <= ' ' || c == '\x7f')
      throw BadUrl(text, "its path holds a blank or a control character");
  }
  const std::size_t colon = authority.find(':');
  url.host = std::string(authority.substr(0, colon));
  if (url.host == "localhost") url.host = "127.0.0.1";
  in_addr address{};
  if (inet_pton(AF_INET, url.host.c_str(), &address) != 1)
    throw BadUrl(text, fmt::format("unknown host '{}'", url.host));
  if (colon != std::string_view::npos) {
    const std::string_view digits = authority.substr(colon + 1);
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), url.port);
    if (error != std::errc() || end != digits.data() + digits.size() || url.port == 0) {
      throw BadUrl(text, fmt::format("'{}' is not a port", digits));
    }
  }
  return url;
}

std::string Url::ToString() const {
  return fmt::format("http://{}:{}{}", host, port, target);
}
std::string Url::Authority() const {
  return fmt::format("{}:{}", host, port);
}

Url Url::WithTarget(std::string_view new_target) const {
  Url url = *this;
  url.target = std::string(new_target);
  return url;
}

}  // namespace kvtier
