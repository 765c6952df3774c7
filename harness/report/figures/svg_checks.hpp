#pragma once
#include <algorithm>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include <boost/property_tree/ptree.hpp>
#include <boost/property_tree/xml_parser.hpp>
#include <fmt/format.h>

#include "harness/report/figures/svg.hpp"

/// Reads a figure back with an XML parser and looks for what no figure may do.
namespace kvtier::test {

struct Drawing {
  double width = 0, height = 0;
  std::string title, description;
  std::vector<std::string> texts;       // unescaped
  std::map<std::string, int> elements;  // name -> how many
  std::vector<boost::property_tree::ptree> shapes;
  std::vector<std::string> problems;  // outside of the viewBox, not a number, script, id

  /// Elements of this name whose attribute has this value.
  int Count(const std::string& element, const std::string& attribute,
            const std::string& value) const {
    return static_cast<int>(std::count_if(shapes.begin(), shapes.end(), [&](const auto& s) {
      return s.get("name", "") == element && s.get("tree.<xmlattr>." + attribute, "") == value;
    }));
  }
  bool Says(const std::string& part) const { return AllText().find(part) != std::string::npos; }
  /// Lines joined by blanks, so that a wrapped sentence is found.
  std::string AllText() const {
    std::string all;
    for (const std::string& t : texts) all += t + " ";
    return all;
  }
};

namespace detail {

inline void CheckPoint(Drawing& d, double x, double y, const std::string& what) {
  constexpr double kSlack = 0.02;  // numbers have two decimals
  if (!(x >= -kSlack && x <= d.width + kSlack && y >= -kSlack && y <= d.height + kSlack))
    d.problems.push_back(
        fmt::format("{} at {}, {} is outside of {} x {}", what, x, y, d.width, d.height));
}

inline void CheckText(Drawing& d, const boost::property_tree::ptree& t) {
  const auto attribute = [&](const char* name) {
    return t.get(std::string("<xmlattr>.") + name, "");
  };
  const std::string text = t.data();
  d.texts.push_back(text);
  const double x = std::stod(attribute("x")), y = std::stod(attribute("y"));
  const double size = std::stod(attribute("font-size"));
  const double width = TextWidth(text, size, attribute("font-weight") == "bold");
  const std::string anchor = attribute("text-anchor");
  const double before = anchor == "middle" ? width / 2 : anchor == "end" ? width : 0;
  if (attribute("transform").empty()) {
    CheckPoint(d, x - before, y - size * 0.75, "start of \"" + text + "\"");
    CheckPoint(d, x - before + width, y + size * 0.2, "end of \"" + text + "\"");
  } else {
    CheckPoint(d, x - size, y + before, "start of \"" + text + "\"");
    CheckPoint(d, x, y + before - width, "end of \"" + text + "\"");
  }
}

inline void CheckShape(Drawing& d, const std::string& name, const boost::property_tree::ptree& t) {
  const auto number = [&](const char* attribute) {
    return t.get<double>(std::string("<xmlattr>.") + attribute);
  };
  if (name == "rect") {
    if (number("width") < 0 || number("height") < 0) d.problems.push_back("a rect below zero");
    CheckPoint(d, number("x"), number("y"), name);
    CheckPoint(d, number("x") + number("width"), number("y") + number("height"), name);
  } else if (name == "line") {
    CheckPoint(d, number("x1"), number("y1"), name);
    CheckPoint(d, number("x2"), number("y2"), name);
  } else if (name == "circle") {
    CheckPoint(d, number("cx") - number("r"), number("cy") - number("r"), name);
    CheckPoint(d, number("cx") + number("r"), number("cy") + number("r"), name);
  } else if (name == "polyline" || name == "polygon") {
    std::string points = t.get<std::string>("<xmlattr>.points");
    std::replace(points.begin(), points.end(), ',', ' ');
    std::istringstream in(points);
    double x = 0, y = 0;
    while (in >> x >> y) CheckPoint(d, x, y, name);
    if (!in.eof()) d.problems.push_back("points that are no numbers: " + points);
  } else {
    d.problems.push_back("an element that no figure makes: " + name);
  }
}

}  // namespace detail

/// Throws boost's xml_parser_error where the text is not well-formed.
inline Drawing ReadDrawing(const std::string& svg) {
  boost::property_tree::ptree tree;
  std::istringstream in(svg);
  boost::property_tree::read_xml(in, tree);
  const auto& root = tree.get_child("svg");
  Drawing d;
  d.width = root.get<double>("<xmlattr>.width");
  d.height = root.get<double>("<xmlattr>.height");
  if (root.get<std::string>("<xmlattr>.viewBox") !=
      fmt::format("0 0 {} {}", root.get<std::string>("<xmlattr>.width"),
                  root.get<std::string>("<xmlattr>.height")))
    d.problems.push_back("viewBox and size differ");
  for (const auto& [name, child] : root) {
    if (name == "<xmlattr>") continue;
    ++d.elements[name];
    if (name == "title") {
      d.title = child.data();
    } else if (name == "desc") {
      d.description = child.data();
    } else if (name == "text") {
      detail::CheckText(d, child);
    } else {
      detail::CheckShape(d, name, child);
    }
    if (child.get_child_optional("<xmlattr>.id")) d.problems.push_back("an id");
    boost::property_tree::ptree shape;
    shape.put("name", name);
    shape.put_child("tree", child);
    d.shapes.push_back(shape);
  }
  if (d.title.empty() || d.description.empty()) d.problems.push_back("no title or no desc");
  return d;
}

}  // namespace kvtier::test
