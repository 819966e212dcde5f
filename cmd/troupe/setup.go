package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"

	"github.com/alecthomas/kong"

	"troupe/mlx"
)

// setupFlags say where the other settings come from, and whether to serve at all.
type setupFlags struct {
	Config configFile `placeholder:"FILE" help:"YAML file with settings by the names of these flags. A flag and the environment win over it."`
	Check  bool       `help:"Validate the settings and the model, print what serving takes in memory, and end."`
}

// AfterApply is called by kong once all settings are known.
func (c *serveCmd) AfterApply(ctx *kong.Context) error {
	return checkEnvironment(os.Environ(), ctx.Selected().Flags)
}

// check prints the plan of what serve would do. It disturbs no server that runs with the same settings: it neither listens nor takes the data folder.
func (c *serveCmd) check(con *console) error {
	folder, err := c.open()
	if err != nil {
		return err
	}
	settings, errSettings := c.settings()
	listen, _, errListen := c.resolve(c.Listen, &settings)
	data, errData := dataPath(c.Data)
	key, errKey := readDataKey(c.DataKey)
	_, _, errTraces := c.exporter(nil)
	if key != nil {
		data += ", encrypted"
	}
	t, unfit := c.fit(folder)
	rows := append(describe(folder), takes(t)...)
	if errListen == nil {
		rows = append(rows, [2]string{"listen", c.scheme() + "://" + listen.String()}, [2]string{"API keys", strconv.Itoa(len(settings.APIKeys))})
	}
	rows = append(rows, [2]string{"data", data})
	return errors.Join(writeTable(con.out, rows), errSettings, errListen, errData, errKey, errTraces, unfit, mlx.Available())
}

// dataPath is the data folder, which must be one or not be there yet.
func dataPath(dir string) (string, error) {
	if dir == "" {
		var err error
		if dir, err = defaultData(); err != nil {
			return "", err
		}
	}
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return dir + " (will be made)", nil
	case err != nil:
		return dir, fmt.Errorf("data folder: %w", err)
	case !info.IsDir():
		return dir, fmt.Errorf("data folder: %s is not a folder; --data DIR chooses another one", dir)
	}
	return dir, nil
}
