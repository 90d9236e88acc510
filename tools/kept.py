"""Text that is generated and kept: written by `make bless`, compared by the suite `docs`."""
import os


def read(path):
    """"" where there is none."""
    if not os.path.exists(path):
        return ""
    with open(path, encoding="utf-8") as f:
        return f.read()


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)


def judge(path, text, name, said):
    """Print the verdict of the test `name`, and where the file is another, what is said of that."""
    is_right = read(path) == text
    if not is_right:
        print(said)
    print(f"{'PASS' if is_right else 'FAIL'} {name}")
    return is_right
