#pragma once

#include <cstdlib>
#include <iostream>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

/// What the examples share: a command line of positional arguments and `--name value`.
class Arguments {
public:
    /// Read a command line. Prints the usage and ends the program for --help, and for what it does not know.
    Arguments(int count, char** texts, std::string usage, std::size_t positional,
              const std::vector<std::string>& options)
        : usage_(std::move(usage)) {
        for (int index = 1; index < count; ++index) {
            const std::string text = texts[index];
            if (text == "--help" || text == "-h") {
                std::cout << usage_ << "\n";
                std::exit(EXIT_SUCCESS);
            }
            if (text.rfind("--", 0) != 0) {
                positional_.push_back(text);
                continue;
            }
            bool known = false;
            for (const std::string& option : options) {
                known = known || text == "--" + option;
            }
            if (!known || index + 1 == count) {
                fail(known ? text + " needs a value." : "There is no option " + text + ".");
            }
            options_[text.substr(2)] = texts[++index];
        }
        if (positional_.size() != positional) {
            fail(std::to_string(positional) + " arguments are due, not " + std::to_string(positional_.size()) + ".");
        }
    }

    [[nodiscard]] const std::string& at(std::size_t index) const {
        return positional_.at(index);
    }
    [[nodiscard]] std::string text(const std::string& option, const std::string& otherwise) const {
        const auto found = options_.find(option);
        return found == options_.end() ? otherwise : found->second;
    }
    /// A number from `least` to `most`.
    [[nodiscard]] double number(const std::string& option, double otherwise, double least, double most) const {
        const auto found = options_.find(option);
        if (found == options_.end()) {
            return otherwise;
        }
        char* end = nullptr;
        const double value = std::strtod(found->second.c_str(), &end);
        if (found->second.empty() || *end != '\0' || !(least <= value && value <= most)) {
            fail("--" + option + " is a number from " + std::to_string(least) + " to " + std::to_string(most) + ".");
        }
        return value;
    }
    /// Say what is wrong with the command line, and end the program.
    [[noreturn]] void fail(const std::string& problem) const {
        std::cerr << problem << "\n" << usage_.substr(0, usage_.find('\n')) << "\n";
        std::exit(2);
    }

private:
    std::string usage_;
    std::vector<std::string> positional_;
    std::map<std::string, std::string> options_;
};
