#include "maskbus/shm/process.hpp"

namespace maskbus::shm::detail {

std::string windows_command_line(const std::vector<std::string>& command) {
    std::string line;
    for (const std::string& word : command) {
        line += line.empty() ? "" : " ";
        if (!word.empty() && word.find_first_of(" \t\n\v\"") == std::string::npos) {
            line += word;
            continue;
        }
        line += '"';
        std::size_t backslashes = 0;
        for (const char letter : word) {
            if (letter == '\\') {
                ++backslashes;
                continue;
            }
            // Before a quotation mark each backslash counts twice, and one more makes the mark a letter.
            line.append(letter == '"' ? 2 * backslashes + 1 : backslashes, '\\');
            line += letter;
            backslashes = 0;
        }
        line.append(2 * backslashes, '\\');
        line += '"';
    }
    return line;
}

}  // namespace maskbus::shm::detail
