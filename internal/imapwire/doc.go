// Package imapwire is IMAP on the wire (RFC 3501, RFC 9051), for clients and servers alike: lines cut into tokens,
// literals streamed, commands queued and answered in order. It knows the grammar and no command's meaning; data types
// (UID sets, flags) are those of github.com/emersion/go-imap/v2.
//
// What the other side says is kept word for word: the greeting, every status text, every BYE.
//
// Everything that is read is bounded by [Limits], so a hostile peer costs a line's and a string's worth of memory;
// literals of any length are streamed.
//
// # Reading
//
// A [Reader] is at one line at a time. [Reader.Next] goes on to the next line and drops what was left of the last one,
// literals included, so after a [SyntaxError] or a [LimitError] the caller may simply go on. All other errors are the
// connection's.
//
// # A server
//
//	r, w := imapwire.NewReader(conn, limits), imapwire.NewWriter(conn)
//	r.Continue = func(size int64) error { // a synchronising literal waits for this; an error refuses it
//		w.Raw("+ Ready for additional command text.\r\n")
//		return w.Flush()
//	}
//	for {
//		command, err := r.Command() // the tag, and the name in upper case ("SELECT", "UID FETCH")
//		switch command.Name {
//		case "SELECT": // arguments are pulled from r, from the space before the first
//			err = r.SP()
//			name, err := r.Mailbox() // UTF-8
//			err = r.End()
//		case "APPEND":
//			// ... r.SP(), r.Mailbox(), r.List(func() error { flag, err := r.Atom() ... }), r.Quoted() ...
//			literal, err := r.Literal() // io.Reader; Size, NonSync, Binary (literal8)
//			body, err := io.ReadAll(literal)
//			err = r.End()
//		case "AUTHENTICATE", "IDLE":
//			w.Raw("+ \r\n"); w.Flush()
//			err = r.Next()
//			line, err := r.Text() // the client's answer, or DONE
//		}
//		w.Raw("* FLAGS (\\Seen)\r\n")
//		w.Status(command.Tag, "OK", "READ-WRITE", "SELECT completed.")
//		err = w.Flush() // write errors stick and come out here
//	}
//
// A synchronising literal that Continue refused, or that is longer than Limits.Literal, was not sent: the line ends there. A
// non-synchronising one is skipped by Next; a server that doesn't want to read so much closes the connection.
//
// # A client
//
//	c := imapwire.NewClient(conn, imapwire.ClientOptions{})
//	greeting, err := c.Greeting(ctx)
//	fetch := c.Send(&imapwire.Command{
//		Name: "UID FETCH",
//		Args: func(w *imapwire.Writer) { w.Raw(" 1:* (UID FLAGS BODY.PEEK[])") },
//		Data: func(d *imapwire.Response) error { ... }, // every untagged response until the command is answered
//	})
//	status, err := fetch.Wait(ctx) // err is a *StatusError for NO and BAD
//
// Send doesn't wait: any number of commands may be on their way. Data functions run one at a time, on the client's
// reading goroutine, so a literal can be streamed out of one, and a slow one holds the server back.
package imapwire
