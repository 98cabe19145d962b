// Prints a YAML file as JSON, so that tests in Python need no YAML reader of their own. Scalars become
// strings; aliases are resolved; merge keys ("<<") are left to the reader.

#include <yaml-cpp/yaml.h>

#include <cstdio>
#include <exception>
#include <iostream>
#include <string>

namespace {

void PrintString(const std::string& text) {
  std::putchar('"');
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      std::printf("\\%c", c);
    } else if (static_cast<unsigned char>(c) < 0x20) {
      std::printf("\\u%04x", c);
    } else {
      std::putchar(c);
    }
  }
  std::putchar('"');
}

void Print(const YAML::Node& node) {
  const char* separator = "";
  switch (node.Type()) {
    case YAML::NodeType::Map:
      std::putchar('{');
      for (const auto& entry : node) {
        std::fputs(separator, stdout);
        separator = ",";
        PrintString(entry.first.as<std::string>());
        std::putchar(':');
        Print(entry.second);
      }
      std::putchar('}');
      break;
    case YAML::NodeType::Sequence:
      std::putchar('[');
      for (const YAML::Node& item : node) {
        std::fputs(separator, stdout);
        separator = ",";
        Print(item);
      }
      std::putchar(']');
      break;
    case YAML::NodeType::Scalar:
      PrintString(node.Scalar());
      break;
    default:
      std::fputs("null", stdout);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: yaml_to_json FILE\n";
    return 2;
  }
  try {
    Print(YAML::LoadFile(argv[1]));
  } catch (const std::exception& error) {
    std::cerr << argv[1] << ": " << error.what() << "\n";
    return 1;
  }
  std::putchar('\n');
  return 0;
}
