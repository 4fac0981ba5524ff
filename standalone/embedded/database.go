package embedded

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/headers"
	"go.temporal.io/server/schema/sqlite"
	"google.golang.org/protobuf/types/known/durationpb"
)

const (
	databaseFile = "temporal.db"
	versionFile  = "version.json"
	lockFile     = "lock"
)

// version is what a directory says of the server that made its database.
type version struct {
	Server     string `json:"server"`
	Schema     string `json:"schema"`
	Visibility string `json:"visibility"`
}

// searchAttributes are the typed attributes by which migrations are found in the Web UI.
var searchAttributes = map[string]enums.IndexedValueType{
	"MailferryTenant": enums.INDEXED_VALUE_TYPE_KEYWORD,
	"MailferryLaunch": enums.INDEXED_VALUE_TYPE_KEYWORD,
	"MailferryState":  enums.INDEXED_VALUE_TYPE_KEYWORD,
	"MailferryStep":   enums.INDEXED_VALUE_TYPE_INT,
}

// prepare makes the database if there is none, and refuses one whose schema this server doesn't know. A database is
// made under another name and renamed when it is whole, so a process that dies on the way leaves none behind.
func prepare(o Options, store config.SQL) error {
	now := version{headers.ServerVersion, sqlite.Version, sqlite.VisibilityVersion}
	_, err := os.Stat(store.DatabaseName)
	if err == nil {
		return compatible(o.Dir, now)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("look at the Temporal server's database: %w", err)
	}
	if err := create(o, store); err != nil {
		return fmt.Errorf("make the Temporal server's database in %s: %w", o.Dir, err)
	}
	text, err := json.Marshal(now)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(o.Dir, versionFile), text, 0o600); err != nil {
		return err
	}
	return os.Rename(store.DatabaseName+".new", store.DatabaseName)
}

func create(o Options, store config.SQL) error {
	store.DatabaseName += ".new"
	store.ConnectAttributes = map[string]string{"mode": "rwc"}
	if err := os.Remove(store.DatabaseName); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := sqlite.SetupSchema(&store); err != nil {
		return err
	}
	namespace, err := sqlite.NewNamespaceConfig(clusterName, o.Namespace, false, searchAttributes)
	if err != nil {
		return err
	}
	namespace.Detail.Config.Retention = durationpb.New(o.Retention)
	return sqlite.CreateNamespaces(&store, namespace)
}

func compatible(dir string, now version) error {
	path := filepath.Join(dir, versionFile)
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read which server made the database: %w; if the directory is another program's, choose another with --data", err)
	}
	var was version
	if err := json.Unmarshal(text, &was); err != nil {
		return fmt.Errorf("%s is damaged: %w", path, err)
	}
	if was.Schema != now.Schema || was.Visibility != now.Visibility {
		return fmt.Errorf("the database in %s has schema %s/%s of Temporal %s and this program needs %s/%s of %s; "+
			"finish the migrations in it with the program that made it, or begin anew in another directory with --data",
			dir, was.Schema, was.Visibility, was.Server, now.Schema, now.Visibility, now.Server)
	}
	return nil
}

// lock holds the directory for this process. The kernel lets go when the process ends, however it ends.
func lock(dir string) (unlock func(), err error) {
	file, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the Temporal server's directory: %w", err)
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("%s is in use by another process; end it first, or choose another directory with --data", dir)
	}
	return func() { _ = file.Close() }, nil
}
