package imapwire

// CommandLine is the beginning of a client's line: its tag and the command's name in upper case, with UID and the
// word after it as one name ("UID FETCH").
type CommandLine struct {
	Tag, Name string
}

// Command goes to the next line and takes the tag and the name. Whatever comes first in the arguments, mostly a
// space, stands next. With a SyntaxError the Tag is set where it could be read, so that the server can answer BAD to it.
func (r *Reader) Command() (CommandLine, error) {
	var c CommandLine
	if err := r.Next(); err != nil {
		return c, err
	}
	tag, err := r.Atom()
	if err != nil {
		return c, err
	}
	c.Tag = tag
	if err := r.SP(); err != nil {
		return c, err
	}
	if c.Name, err = r.Word(); err != nil || c.Name != "UID" {
		return c, err
	}
	if err := r.SP(); err != nil {
		return c, err
	}
	word, err := r.Word()
	c.Name += " " + word
	return c, err
}
